"""How judgments are collected: which task is next for whom, what an answer changes, gold, rules, box stages."""
