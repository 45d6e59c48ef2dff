// Package hrana is a stand-in for a libSQL server: Hrana 2 and 3 over HTTP in JSON, on a SQLite file. It is for tests
// only. It follows the source of sqld (https://github.com/tursodatabase/libsql, libsql-server/src/hrana), its texts and
// codes included, as far as clients depend on them. [TestVendorClient] judges it by the vendor's own client.
//
// [VendorEngine] is another small server, on the vendor's own engine: it proves the SQL and not the protocol.
//
// Read server.go first (HTTP, faults), then streams.go (batons), requests.go and execute.go (what a stream does), sql.go
// (which statements are refused) and refusals.go (codes). It has no Protobuf, cursors, WebSocket, describe requests,
// replicas and namespaces.
package hrana
