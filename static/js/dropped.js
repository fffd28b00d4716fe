/* What is dropped on a zone for images, with the folders in it: by itself a file input takes a folder for one file, which
   no browser can send. */
import { toast } from "./toast.js";

/* Also phones' photos, which are refused: the report names them, and says what to do. */
const USABLE = /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|avif|hei[cf]|zip|tar|t?gz|bz2|xz)$/i;

/* Everything inside of what was dropped, folders opened; each file knows the folders that it lay in. */
async function walk(entry, found) {
  try {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push(Object.assign(file, { within: entry.fullPath }));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!entries.length) return;
      for (const child of entries) await walk(child, found);
    }
  } catch {
    found.push(empty(entry.name, entry.fullPath));
  }
}

export const pathOf = (file) => file.within || file.webkitRelativePath || file.name;

/* In place of what cannot be read, so that the report names it: in a request it would break off all that is sent. */
export const empty = (name, within) => Object.assign(new File([], name), { within, unread: true });

/* What a drop brings where folders are among it, kept from the file input, which takes plain files by itself. */
export function foldersIn(event) {
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return null;
  event.preventDefault();
  return entries;
}

export async function opened(entries) {
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

/* Images and archives alone; how many others were left out is said. */
export function usable(all, told) {
  const offered = all.filter((file) => !file.name.startsWith("."));
  const files = offered.filter((file) => file.unread || USABLE.test(file.name));
  if (files.length < offered.length) toast(told.replace("%s", offered.length - files.length), "warn", 8);
  return files;
}
