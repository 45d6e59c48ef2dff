// The vendor's client against the stand-in. Arguments: the directory of node_modules, the server's URL and its token.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const [modules, url, token] = process.argv.slice(2);
const resolve = createRequire(modules + "/package.json").resolve;
const { createClient } = await import(pathToFileURL(resolve("@libsql/client/http")));

const open = (options = {}) => createClient({ url, authToken: token, ...options });
// control reaches the test's own paths beside the server.
const control = async (path) => assert.equal((await fetch(url + path, { method: "POST" })).status, 200);
const refused = (code, text) => (error) => {
  assert.equal(error.code, code, `${error.code}: ${error.message}`);
  assert.match(error.message, text);
  return true;
};

const db = open();
await db.executeMultiple(`
  CREATE TABLE users (id text PRIMARY KEY NOT NULL, email text NOT NULL UNIQUE, n integer CHECK (n <> 13));
  CREATE TABLE posts (author text NOT NULL REFERENCES users (id) ON DELETE CASCADE);
  CREATE TABLE kept (author text NOT NULL REFERENCES users (id));
`);

test("a statement returns columns, rows, counts and the row's number", async () => {
  const inserted = await db.execute({ sql: "INSERT INTO users VALUES (?, ?, ?)", args: ["a", "a@x", 1] });
  assert.equal(inserted.rowsAffected, 1);
  assert.equal(inserted.lastInsertRowid, 1n);
  const read = await db.execute("SELECT id, n AS number, 1 + 1 FROM users");
  assert.deepEqual(read.columns, ["id", "number", "1 + 1"]);
  assert.deepEqual(read.columnTypes, ["TEXT", "INTEGER", ""]);
  assert.deepEqual(read.rows.map((row) => [row.id, row.number, row[2]]), [["a", 1, 2]]);
  assert.equal(read.rowsAffected, 0);
  assert.equal((await db.execute("UPDATE users SET n = 2 WHERE id = 'nobody'")).rowsAffected, 0);
});

test("a value of each type comes back", async () => {
  const precise = open({ intMode: "bigint" });
  const blob = new Uint8Array([0, 255, 7, 8]);
  const args = [null, 9007199254740993n, -1n, 0.5, "", "ü\u0000€😀", blob, true];
  const { rows } = await precise.execute({ sql: `SELECT ${args.map(() => "?").join(", ")}`, args });
  assert.deepEqual(
    [...Array(args.length).keys()].map((i) => (rows[0][i] instanceof ArrayBuffer ? new Uint8Array(rows[0][i]) : rows[0][i])),
    [null, 9007199254740993n, -1n, 0.5, "", "ü\u0000€😀", blob, 1n],
  );
});

test("parameters have numbers or names", async () => {
  const values = async (stmt) => Object.values((await db.execute(stmt)).rows[0]);
  assert.deepEqual(await values({ sql: "SELECT ?2 AS a, ?1 AS b, ':x ?' AS c /* ? */", args: [1, 2] }), [2, 1, ":x ?"]);
  assert.deepEqual(await values({ sql: "SELECT :b AS a, @a AS b, $c AS c, :b AS d", args: { a: 1, b: 2, c: 3 } }), [2, 1, 3, 2]);
  await assert.rejects(db.execute({ sql: "SELECT ?, ?", args: [1] }), refused("ARGS_INVALID", /parameter 2 not found/));
  await assert.rejects(db.execute({ sql: "SELECT $1", args: [1] }), refused("ARGS_INVALID", /parameter \$1 not found/));
});

test("a batch is one transaction", async () => {
  const done = await db.batch(["INSERT INTO users VALUES ('b', 'b@x', 1)", "SELECT count(*) AS n FROM users"], "write");
  assert.equal(done[1].rows[0].n, 2);
  await assert.rejects(
    db.batch(["INSERT INTO users VALUES ('c', 'c@x', 1)", "INSERT INTO users VALUES ('d', 'b@x', 1)"], "write"),
    refused("SQLITE_CONSTRAINT", /UNIQUE constraint failed: users.email/),
  );
  assert.equal((await db.execute("SELECT count(*) AS n FROM users")).rows[0].n, 2);
});

test("a transaction commits or rolls back", async () => {
  for (const [id, end] of [["t1", "commit"], ["t2", "rollback"]]) {
    const tx = await db.transaction("write");
    await tx.execute({ sql: "INSERT INTO users VALUES (?, ?, 1)", args: [id, id + "@x"] });
    assert.equal((await tx.execute({ sql: "SELECT id FROM users WHERE id = ?", args: [id] })).rows.length, 1);
    const outside = await db.execute({ sql: "SELECT id FROM users WHERE id = ?", args: [id] });
    assert.equal(outside.rows.length, 0, "another stream sees the transaction's row");
    await tx[end]();
  }
  const { rows } = await db.execute("SELECT id FROM users WHERE id LIKE 't_'");
  assert.deepEqual(rows.map((row) => row.id), ["t1"]);
});

test("refusals have sqld's codes and texts", async () => {
  const cases = [
    ["INSERT INTO users VALUES ('a', 'z@x', 1)", "SQLITE_CONSTRAINT", /UNIQUE constraint failed: users.id/],
    ["INSERT INTO users VALUES ('z', NULL, 1)", "SQLITE_CONSTRAINT", /NOT NULL constraint failed: users.email/],
    ["INSERT INTO users VALUES ('z', 'z@x', 13)", "SQLITE_CONSTRAINT", /CHECK constraint failed: n <> 13/],
    ["INSERT INTO kept VALUES ('nobody')", "SQLITE_CONSTRAINT", /FOREIGN KEY constraint failed/],
    ["SELECT * FROM missing", "SQL_INPUT_ERROR", /no such table: missing/],
    ["SELEC 1", "SQL_PARSE_ERROR", /syntax error/],
    ["SELECT 1; SELECT 2", "SQL_MANY_STATEMENTS", /more than one statement/],
    [" -- nothing\n", "SQL_NO_STATEMENT", /does not contain any statement/],
    ["PRAGMA journal_mode = DELETE", "SQL_PARSE_ERROR", /unsupported statement/],
    ["COMMIT", "SQLITE_UNKNOWN", /no transaction is active/],
  ];
  for (const [sql, code, text] of cases) await assert.rejects(db.execute(sql), refused(code, text), sql);
});

test("foreign keys are enforced by default", async () => {
  await db.batch(["INSERT INTO users VALUES ('p', 'p@x', 1)", "INSERT INTO posts VALUES ('p')"], "write");
  await db.execute("DELETE FROM users WHERE id = 'p'");
  assert.equal((await db.execute("SELECT count(*) AS n FROM posts")).rows[0].n, 0);
});

test("a wrong token is refused", async () => {
  for (const authToken of ["wrong", undefined]) {
    await assert.rejects(open({ authToken }).execute("SELECT 1"), refused("SERVER_ERROR", /401|Unauthorized/));
  }
});

test("an expired stream is refused, and nothing of it remains", async () => {
  const tx = await db.transaction("write");
  await tx.execute("INSERT INTO users VALUES ('e', 'e@x', 1)");
  await control("/test/expire");
  await assert.rejects(tx.execute("SELECT 1"), (error) => /expired/.test(error.message));
  assert.equal((await db.execute("SELECT id FROM users WHERE id = 'e'")).rows.length, 0);
});

test("a write that another transaction blocks is refused as busy", async () => {
  const tx = await db.transaction("write");
  await tx.execute("SELECT 1"); // the client sends BEGIN with the first statement
  await assert.rejects(db.execute("UPDATE users SET n = 3"), refused("SQLITE_BUSY", /database is locked/));
  await tx.rollback();
});
