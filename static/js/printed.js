/* The letter or digit that our hotkeys name, whatever a person writes in: a keyboard for Hindi has it on the same place,
   and one for French has its digits behind Shift. */
export function printed({ key, code = "", shiftKey }) {
  if (key.length !== 1 || /[0-9]/.test(key)) return key;
  const digit = shiftKey ? null : /^Digit(\d)$/.exec(code);
  if (digit) return digit[1];
  const letter = key > "\u007f" ? /^Key([A-Z])$/.exec(code) : null;
  return letter ? letter[1].toLowerCase() : key;
}
