// Asks mingo and our peer the same questions: compare.mjs PEER SEED COUNT
//
// The reference matches with mingo as RxDB sets it up, and sorts with the comparison that RxDB has.
// Where that gives 0 for two documents it is no order (an array is equal to its smallest element, but
// not to another array that starts with it), so ours must only never contradict it.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Context } from "mingo/core";
import * as operators from "mingo/operators/query";
import { Query } from "mingo/query";
import { compare } from "mingo/util";
import { Dice, document, selector, sort, spell } from "./random.mjs";

const [peerPath, seed, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const BATCH = 500;
const SPELLINGS = 20;
const OPERATORS = ["$elemMatch", "$eq", "$nor", "$exists", "$regex", "$and", "$gt", "$gte", "$in", "$lt",
  "$lte", "$ne", "$nin", "$mod", "$not", "$or", "$size", "$type", "$all"];
const context = Context.init({
  query: Object.fromEntries(OPERATORS.map((name) => [name, operators[name]])),
});

// ---- the reference

function valueAt(doc, path) {
  let value = doc;
  for (const part of path.split(".")) {
    if (value === undefined || value === null) return undefined;
    value = value[part];
  }
  return value;
}

function order(sorts, a, b) {
  for (const entry of [...sorts, { id: "asc" }]) {
    const [[path, direction]] = Object.entries(entry);
    const [x, y] = [valueAt(a, path), valueAt(b, path)];
    if (x === y) continue;
    const sign = direction === "asc" ? 1 : -1;
    if (typeof x === typeof y && (typeof x === "string" || typeof x === "number"))
      return x < y ? -sign : sign;
    return sign > 0 ? compare(x, y) : compare(y, x);
  }
  return 0;
}

function judge(test, answer) {
  if (answer.startsWith("!")) return answer;
  const query = new Query(test.query.selector, { context });
  const ours = answer === "" ? [] : answer.split(" ").map(Number);
  const wanted = test.documents.flatMap((doc, i) => (query.test(doc) ? [i] : []));
  if (JSON.stringify([...ours].sort((a, b) => a - b)) !== JSON.stringify(wanted))
    return `we found [${ours}], mingo [${wanted}]`;
  for (let i = 0; i < ours.length; i++)
    for (let k = i + 1; k < ours.length; k++)
      if (order(test.query.sort, test.documents[ours[i]], test.documents[ours[k]]) > 0)
        return `we have ${ours[i]} before ${ours[k]}, RxDB behind it`;
  return null;
}

// ---- the peer

const peer = spawn(peerPath, [], { stdio: ["pipe", "pipe", "inherit"] });
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const spelling = new Dice(seed + 1);
let ended = false;
peer.on("exit", () => { ended = true; });

const spelled = (test) => spell(spelling, test) + "\n";

async function ask(tests) {
  peer.stdin.write(tests.map(spelled).join(""));
  const judged = [];
  for (const test of tests) {
    const { value, done } = await answers.next();
    if (done || ended) return [...judged, "the peer ended"];
    judged.push(judge(test, value));
  }
  return judged;
}

// ---- smaller

function* smaller(value) {
  if (typeof value !== "object" || value === null) return;
  const list = Array.isArray(value);
  for (const name of Object.keys(value)) {
    const without = list ? value.filter((_, i) => i !== Number(name)) : { ...value };
    if (!list) delete without[name];
    yield without;
    for (const inner of smaller(value[name])) {
      const copy = list ? [...value] : { ...value };
      copy[name] = inner;
      yield copy;
    }
  }
}

function* smallerTests(test) {
  for (const documents of smaller(test.documents))
    if (documents.every((doc) => "id" in doc)) yield { ...test, documents };
  for (const inner of smaller(test.query.selector))
    yield { ...test, query: { ...test.query, selector: inner } };
  for (const inner of smaller(test.query.sort))
    if (inner.every((entry) => Object.keys(entry).length === 1))
      yield { ...test, query: { ...test.query, sort: inner } };
}

// With several spellings: it may depend on one.
async function fails(test) {
  try {
    const messages = await ask(Array(SPELLINGS).fill(test));
    return messages.find((message) => message && !message.startsWith("!refused")) ?? null;
  } catch {
    return null; // mingo refuses what is left of the query
  }
}

async function shrink(test) {
  for (let again = true; again;) {
    again = false;
    for (const candidate of smallerTests(test)) {
      if (await fails(candidate)) {
        test = candidate;
        again = true;
        break;
      }
    }
  }
  return test;
}

async function report(test, message) {
  console.log(`# seed ${seed}: ${message}`);
  if (message !== "the peer ended" && !message.startsWith("!refused")) {
    test = await shrink(test);
    console.log(`# shrunk: ${await fails(test)}`);
  }
  console.log(`# ${JSON.stringify(test.query)}`);
  for (const doc of test.documents) console.log(`#     ${JSON.stringify(doc)}`);
}

// ---- all of it

const dice = new Dice(seed);
const batch = () => Array.from({ length: BATCH }, () => ({
  query: { selector: selector(dice, 2, true), sort: sort(dice) },
  documents: Array.from({ length: 1 + dice.below(8) }, (_, i) => document(dice, String(i))),
}));

console.log("1..1");
let asked = 0;
let wrong = false;
while (asked < count && !wrong) {
  const tests = batch();
  const judged = await ask(tests);
  const failed = judged.findIndex((message) => message);
  if (failed >= 0) {
    await report(tests[failed], judged[failed]);
    wrong = true;
  }
  asked += tests.length;
}
console.log(`# seed ${seed}, ${asked} queries`);
console.log(`${wrong ? "not ok" : "ok"} 1 - queries find what mingo finds, in the order that RxDB has`);
peer.stdin.end();
process.exitCode = wrong ? 1 : 0;
