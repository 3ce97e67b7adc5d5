// Random documents and queries from a seed, as JavaScript values, and as JSON in many spellings.
//
// Not made are those in which we differ from mingo on purpose (docs/queries.md): numbers that a
// double does not hold, names that every JavaScript object has, $mod of what is no number.

export class Dice {
  constructor(seed) {
    this.state = BigInt(seed);
  }

  next() { // SplitMix64
    this.state = BigInt.asUintN(64, this.state + 0x9e3779b97f4a7c15n);
    let z = this.state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return Number((z ^ (z >> 31n)) & 0x1fffffffffffffn);
  }

  below(n) {
    return this.next() % n;
  }

  of(list) {
    return list[this.below(list.length)];
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  times(most, make) {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

const NAMES = ["a", "b", "c", "d", "0", "é"];
const SCALARS = [null, true, false, 0, 1, 2, 3, -1, 1.5, -2.25, 10, 100, 1e21, 1e-7, 9007199254740991,
  "", "a", "b", "aa", "ab", "B", "1", "é", "\u0000", "a\u0000b", "\ue000", "\u{1f600}", "a\ud83d",
  "\n\"\\"];
const PATTERNS = ["a", "^a", "a$", "^$", "[ab]+", "^aa*", "^ab?", "b|B", "", "^é", "\\d", "^a.b",
  "^b|a", "(a)b", "^\\.", "^a{2}"];
const TYPES = ["array", "boolean", "bool", "number", "int", "long", "double", "null", "object",
  "string", "undefined", "date", 1, 2, 3, 4, 6, 8, 10, 16, 18];

export function value(dice, depth) {
  const what = dice.below(10);
  if (depth > 0 && what === 0) return dice.times(3, () => value(dice, depth - 1));
  if (depth > 0 && what === 1) return object(dice, depth - 1);
  return dice.chance(50) ? dice.below(4) : dice.of(SCALARS);
}

function object(dice, depth) {
  const made = {};
  for (const name of dice.times(3, () => dice.of(NAMES))) made[name] = value(dice, depth);
  return made;
}

// Deeper and with more arrays than value().
function tree(dice, depth) {
  const what = dice.below(10);
  if (depth === 0 || what < 4) return value(dice, 1);
  if (what < 7) return dice.times(3, () => tree(dice, depth - 1));
  const made = {};
  for (const name of dice.times(3, () => dice.of(NAMES))) made[name] = tree(dice, depth - 1);
  return made;
}

function countable(dice) {
  const one = () => dice.of([0, 1, 2, 3, 7, -1, -4, 2.5, 1e21, "x", "ab"]);
  return dice.chance(30) ? dice.times(3, one) : one();
}

export function document(dice, id) {
  const made = {};
  for (const name of ["a", "b", "c"]) if (dice.chance(80)) made[name] = tree(dice, 4);
  if (dice.chance(50)) made.n = countable(dice);
  made.id = id;
  return made;
}

// ---- queries

function path(dice) {
  const parts = [dice.of(["a", "b", "c"])];
  while (parts.length < 4 && dice.chance(45)) parts.push(dice.of([...NAMES, "1", "00"]));
  return parts.join(".");
}

function elements(dice, depth) {
  if (depth > 0 && dice.chance(30)) return selector(dice, depth - 1, false);
  return dice.chance(10) ? {} : operators(dice, depth - 1);
}

function argument(dice, operator, depth) {
  switch (operator) {
    case "$in":
    case "$nin":
      return dice.times(4, () => value(dice, 2));
    case "$exists":
      return dice.of([true, false, true, false, 1, 0, null, "", "x"]);
    case "$type":
      return dice.chance(20) ? dice.times(3, () => dice.of(TYPES)) : dice.of(TYPES);
    case "$size":
      return dice.below(4);
    case "$elemMatch":
      return elements(dice, depth);
    case "$all":
      return dice.times(2, () =>
        dice.chance(20) ? { $elemMatch: elements(dice, depth) } : value(dice, 2));
    case "$not":
      return dice.chance(20) ? value(dice, 1) : operators(dice, depth - 1);
    default:
      return value(dice, 2);
  }
}

const FLAT = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type", "$size",
  "$all", "$regex", "$gt", "$lt", "$eq"];

function operators(dice, depth) {
  const made = {};
  do {
    const operator = dice.of(depth > 0 ? [...FLAT, "$elemMatch", "$not", "$elemMatch"] : FLAT);
    if (operator === "$regex") {
      made.$regex = dice.of(PATTERNS);
      if (dice.chance(40)) made.$options = dice.of(["i", "m", "s", "im", ""]);
    } else {
      made[operator] = argument(dice, operator, depth);
    }
  } while (dice.chance(30));
  return made;
}

export function selector(dice, depth, top) {
  const made = {};
  do {
    const what = dice.below(10);
    if (depth > 0 && what < 2) {
      made[dice.of(["$and", "$or", "$nor"])] = dice.times(3, () => selector(dice, depth - 1, top));
    } else if (top && what === 2) {
      made.n = { $mod: dice.of([[2, 0], [2, 1], [3, -1], [1.5, 1], [0, 0], [-2, 1]]) };
    } else if (what === 3) {
      made[path(dice)] = value(dice, 2);
    } else {
      made[path(dice)] = operators(dice, 2);
    }
  } while (dice.chance(25));
  return made;
}

export function sort(dice) {
  return dice.times(3, () => ({ [dice.chance(10) ? "n" : sortPath(dice)]: dice.of(["asc", "desc"]) }));
}

// RxDB's way to a value reads characters of strings, and "00" is no element there.
function sortPath(dice) {
  const parts = [dice.of(["a", "b", "c"])];
  while (parts.length < 3 && dice.chance(25)) parts.push(dice.of(["a", "b", "c", "d"]));
  return parts.join(".");
}

// ---- spelling

function spellNumber(dice, number) {
  const text = JSON.stringify(number);
  if (number === 0) return dice.of(["0", "-0", "0.0", "0e5"]);
  if (!Number.isInteger(number) || Math.abs(number) > 1e6) return text;
  return dice.of([text, text + ".0", text + "e0", text + "0E-1", text + "00e-02"]);
}

function spellString(dice, string) {
  let text = '"';
  for (let i = 0; i < string.length; i++) {
    const unit = string.charCodeAt(i);
    const escaped = "\\u" + unit.toString(16).padStart(4, "0");
    const surrogate = unit >= 0xd800 && unit < 0xe000;
    if (surrogate && i + 1 < string.length && unit < 0xdc00 && string.codePointAt(i) > 0xffff) {
      text += dice.chance(50) ? string.slice(i, i + 2)
        : escaped + "\\u" + string.charCodeAt(i + 1).toString(16);
      i++;
    } else if (surrogate || unit < 0x20 || unit === 0x22 || unit === 0x5c || dice.chance(5)) {
      text += escaped;
    } else {
      text += string[i];
    }
  }
  return text + '"';
}

export function spell(dice, what) {
  const blank = () => dice.chance(5) ? " " : "";
  if (typeof what === "number") return spellNumber(dice, what);
  if (typeof what === "string") return spellString(dice, what);
  if (what === null || typeof what === "boolean") return String(what);
  if (Array.isArray(what))
    return "[" + blank() + what.map((v) => spell(dice, v) + blank()).join(",") + "]";
  return "{" + blank() + Object.entries(what).map(([name, v]) =>
    spellString(dice, name) + blank() + ":" + blank() + spell(dice, v)).join(",") + "}";
}
