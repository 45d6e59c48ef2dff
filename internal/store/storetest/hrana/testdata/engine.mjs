// A small Hrana server on the vendor's own engine, the package libsql, for the conformance suite. Its path names the file:
// /HEX/v2/pipeline. Argument: the directory of node_modules. It prints its port, and ends with its standard input.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";

const Database = createRequire(process.argv[2] + "/package.json")("libsql");
const streams = new Map(); // by baton

// sqld has a name for each primary code, and SQLITE_UNKNOWN for SQLITE_ERROR.
const refusal = (error) => ({
  code: String(error.code).replace(/^SQLITE_ERROR$/, "SQLITE_UNKNOWN").replace(/^(SQLITE_[A-Z]+)_.*/, "$1"),
  message: "SQLite error: " + error.message,
});

const fromWire = (value) => {
  switch (value.type) {
    case "null": return null;
    case "integer": return BigInt(value.value);
    case "blob": return Buffer.from(value.base64, "base64");
    default: return value.value;
  }
};

const toWire = (value) => {
  if (value === null) return { type: "null" };
  if (typeof value === "bigint") return { type: "integer", value: String(value) };
  if (typeof value === "number") return { type: "float", value };
  if (typeof value === "string") return { type: "text", value };
  return { type: "blob", base64: Buffer.from(value).toString("base64") };
};

function execute(db, stmt) {
  const args = (stmt.args ?? []).map(fromWire);
  const prepared = db.prepare(stmt.sql).safeIntegers(true);
  const result = { cols: [], rows: [], affected_row_count: 0, last_insert_rowid: null };
  if (prepared.reader) {
    result.cols = prepared.columns().map(({ name, type }) => ({ name, decltype: type }));
    const rows = prepared.raw(true).all(...args);
    if (stmt.want_rows !== false) result.rows = rows.map((row) => row.map(toWire));
  } else {
    const done = prepared.run(...args);
    result.affected_row_count = Number(done.changes);
    result.last_insert_rowid = String(done.lastInsertRowid);
  }
  return result;
}

function batch(db, steps) {
  const done = { step_results: [], step_errors: [] };
  for (const step of steps) {
    const skip = step.condition && !done.step_results[step.condition.step]; // always of the type ok
    let result = null, error = null;
    try {
      if (!skip) result = execute(db, step.stmt);
    } catch (e) {
      error = refusal(e);
    }
    done.step_results.push(result);
    done.step_errors.push(error);
  }
  return done;
}

function handle(stream, { type, stmt, batch: program }) {
  try {
    if (type === "execute") return { type: "ok", response: { type, result: execute(stream.db, stmt) } };
    if (type === "batch") return { type: "ok", response: { type, result: batch(stream.db, program.steps) } };
  } catch (error) {
    return { type: "error", error: refusal(error) };
  }
  stream.db.close();
  stream.db = undefined;
  return { type: "ok", response: { type } };
}

async function answer(request, response) {
  let text = "";
  for await (const chunk of request) text += chunk;
  const { baton, requests } = JSON.parse(text);
  const path = Buffer.from(request.url.split("/")[1], "hex").toString();
  const stream = baton ? streams.get(baton) : { db: new Database(path, { timeout: 0 }) };
  streams.delete(baton);
  clearTimeout(stream?.expiry);
  if (!stream) return response.writeHead(400).end("Received an invalid baton");
  const results = requests.map((r) => handle(stream, r));
  const next = stream.db ? randomUUID() : null;
  if (next) {
    streams.set(next, stream);
    // The client may be gone, and the baton with it. Nothing waits for this time otherwise.
    stream.expiry = setTimeout(() => streams.delete(next) && stream.db.close(), 2000);
  }
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ baton: next, base_url: null, results }));
}

createServer((request, response) => {
  // A test that ended has removed its file, or closed its connection in the middle of a request.
  answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });

process.stdin.on("end", () => process.exit()).resume();
