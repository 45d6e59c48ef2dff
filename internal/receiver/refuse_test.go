package receiver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// refusedID is the user id in the refused events. No FitUser must ever exist for them.
const refusedID = "user_2nobody"

// hostile returns requests by what is wrong with them. A status of 0 means that no response is needed.
func hostile() map[string]struct {
	wire   string
	status int
} {
	good := signed("msg_1", created(refusedID))
	n := func(r wireRequest) string { return r.length().String() }
	signature := strings.TrimPrefix(header(good, "Svix-Signature"), "v1,")
	big := strings.Repeat("x", 1<<20+1)
	return map[string]struct {
		wire   string
		status int
	}{
		"method GET":                  {n(good.to("GET /api/webhooks HTTP/1.1")), 405},
		"method HEAD":                 {n(good.to("HEAD /api/webhooks HTTP/1.1")), 405},
		"method PUT":                  {n(good.to("PUT /api/webhooks HTTP/1.1")), 405},
		"method PATCH":                {n(good.to("PATCH /api/webhooks HTTP/1.1")), 405},
		"method DELETE":               {n(good.to("DELETE /api/webhooks HTTP/1.1")), 405},
		"method OPTIONS":              {n(good.to("OPTIONS /api/webhooks HTTP/1.1")), 405},
		"method in lower case":        {n(good.to("post /api/webhooks HTTP/1.1")), 405},
		"OPTIONS of the whole server": {n(good.to("OPTIONS * HTTP/1.1")), 404},
		"CONNECT":                     {n(good.to("CONNECT fituser.example:80 HTTP/1.1")), 404},
		"path /":                      {n(good.to("POST / HTTP/1.1")), 404},
		"path with slash at the end":  {n(good.to("POST /api/webhooks/ HTTP/1.1")), 404},
		"path in other case":          {n(good.to("POST /api/Webhooks HTTP/1.1")), 404},
		"path with two slashes":       {n(good.to("POST //api/webhooks HTTP/1.1")), 404},
		"path with dots":              {n(good.to("POST /api/x/../webhooks HTTP/1.1")), 404},
		"path with escaped letter":    {n(good.to("POST /api/%77ebhooks HTTP/1.1")), 404},
		"path with escaped slash":     {n(good.to("POST /api%2fwebhooks HTTP/1.1")), 404},
		"wrong path and wrong method": {n(good.to("GET /api HTTP/1.1")), 404},

		"no Host":                     {n(good.set("Host")), 400},
		"TLS on a plain port":         {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"garbage":                     {"\x00\xff\xfe\r\n\r\n", 400},
		"HTTP/2 without TLS":          {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404},
		"other expectation":           {n(good.set("Expect", "the-inquisition")), 417},
		"header block of 64 KiB":      {n(good.set("X-Big", strings.Repeat("x", 64<<10))), 431},
		"NUL in a header":             {n(good.set("X-Bad", "a\x00b")), 400},
		"space in a header's name":    {n(good.set("X Bad", "a")), 400},
		"two lengths":                 {good.set("Content-Length", fmt.Sprint(len(good.body)), "7").String(), 400},
		"bad chunk size":              {good.set("Transfer-Encoding", "chunked").withBody("zz\r\n").String(), 400},
		"Transfer-Encoding: gzip":     {good.set("Transfer-Encoding", "gzip").String(), 501},
		"body above 1 MiB":            {n(good.withBody(big)), 413},
		"length above 1 MiB":          {good.set("Content-Length", "1048577").withBody("").String(), 413},
		"chunks above 1 MiB":          {good.set("Transfer-Encoding", "chunked").withBody(chunked(big)).String(), 413},
		"too large and no headers":    {n(wireRequest{line: good.line, headers: []string{"Host: x"}, body: big}), 413},
		"Content-Encoding: gzip":      {n(good.set("Content-Encoding", "gzip")), 415},
		"Content-Encoding: br":        {n(good.set("Content-Encoding", "br")), 415},
		"no Content-Type":             {n(good.set("Content-Type")), 415},
		"two Content-Types":           {n(good.set("Content-Type", "application/json", "application/json")), 415},
		"Content-Type text":           {n(good.set("Content-Type", "text/plain")), 415},
		"Content-Type form":           {n(good.set("Content-Type", "application/x-www-form-urlencoded")), 415},
		"Content-Type Latin-1":        {n(good.set("Content-Type", "application/json; charset=iso-8859-1")), 415},
		"Content-Type with parameter": {n(good.set("Content-Type", "application/json; profile=x")), 415},
		"Content-Type broken":         {n(good.set("Content-Type", "application/json; =")), 415},

		"compressed and not signed": {n(good.set("Content-Encoding", "gzip").set("Svix-Id", "msg_2")), 400},
		"a form and not signed":     {n(good.set("Content-Type", "application/x-www-form-urlencoded").set("Svix-Id", "msg_2")), 400},

		"no signature headers": {n(good.set("Svix-Id").set("Svix-Timestamp").set("Svix-Signature")), 400},
		"no svix-id":           {n(good.set("Svix-Id")), 400},
		"no svix-timestamp":    {n(good.set("Svix-Timestamp")), 400},
		"no svix-signature":    {n(good.set("Svix-Signature")), 400},
		"half svix-, half webhook-": {n(good.set("Svix-Timestamp").set("Svix-Signature").
			set("Webhook-Timestamp", header(good, "Svix-Timestamp")).set("Webhook-Signature", header(good, "Svix-Signature"))), 400},
		"bad svix- beside good webhook-": {n(unbranded(good).set("Svix-Id", "msg_1").
			set("Svix-Timestamp", header(good, "Svix-Timestamp")).set("Svix-Signature", "v1,x")), 400},
		"one svix- beside good webhook-": {n(unbranded(good).set("Svix-Timestamp", header(good, "Svix-Timestamp"))), 400},
		"svix-id twice":                  {n(good.set("Svix-Id", "msg_1", "msg_1")), 400},
		"svix-timestamp twice":           {n(good.set("Svix-Timestamp", header(good, "Svix-Timestamp"), "1")), 400},
		"svix-signature twice":           {n(good.set("Svix-Signature", "v1,"+signature, "v1,"+signature)), 400},
		"svix-id empty":                  {n(good.set("Svix-Id", "")), 400},
		"svix-id with a dot":             {n(signed("msg.1", created(refusedID))), 400},
		"svix-id with a newline":         {n(good.set("Svix-Id", "msg_1\r\n x")), 400},
		"svix-id not ASCII":              {n(signed("msg_é", created(refusedID))), 400},
		"svix-id of 129 letters":         {n(signed(strings.Repeat("m", 129), created(refusedID))), 400},
		"svix-id of 10 KiB":              {n(signed(strings.Repeat("m", 10<<10), created(refusedID))), 400},
		"another message's id":           {n(good.set("Svix-Id", "msg_2")), 400},
		"another time's":                 {n(good.set("Svix-Timestamp", fmt.Sprint(eventTime/1000+1))), 400},
		"timestamp empty":                {n(good.set("Svix-Timestamp", "")), 400},
		"timestamp a word":               {n(good.set("Svix-Timestamp", "abc")), 400},
		"timestamp 1e9":                  {n(good.set("Svix-Timestamp", "1e9")), 400},
		"timestamp hexadecimal":          {n(good.set("Svix-Timestamp", "0x5f")), 400},
		"timestamp 1.0":                  {n(good.set("Svix-Timestamp", "1.0")), 400},
		"timestamp with sign":            {n(good.set("Svix-Timestamp", "+"+header(good, "Svix-Timestamp"))), 400},
		"timestamp with zero":            {n(good.set("Svix-Timestamp", "0"+header(good, "Svix-Timestamp"))), 400},
		"timestamp negative":             {n(signedAt("msg_1", created(refusedID), -5)), 400},
		"timestamp 0":                    {n(signedAt("msg_1", created(refusedID), 0)), 400},
		"timestamp 2⁶³":                  {n(good.set("Svix-Timestamp", "9223372036854775808")), 400},
		"timestamp of 18 digits":         {n(signedAt("msg_1", created(refusedID), 999_999_999_999_999_999)), 400},
		"timestamp in millis":            {n(signedAt("msg_1", created(refusedID), eventTime)), 400},
		"301 s old":                      {n(signedAt("msg_1", created(refusedID), eventTime/1000-301)), 400},
		"301 s ahead":                    {n(signedAt("msg_1", created(refusedID), eventTime/1000+301)), 400},
		"signature bare":                 {n(good.set("Svix-Signature", signature)), 400},
		"signature v1":                   {n(good.set("Svix-Signature", "v1")), 400},
		"signature v1,":                  {n(good.set("Svix-Signature", "v1,")), 400},
		"signature ,x":                   {n(good.set("Svix-Signature", ","+signature)), 400},
		"signature v2":                   {n(good.set("Svix-Signature", "v2,"+signature)), 400},
		"signature V1":                   {n(good.set("Svix-Signature", "V1,"+signature)), 400},
		"signature only v1a":             {n(good.set("Svix-Signature", "v1a,"+signature)), 400},
		"signature with more":            {n(good.set("Svix-Signature", "v1,"+signature+",x")), 400},
		"17 signatures":                  {n(good.set("Svix-Signature", strings.Repeat("v1,x ", 16)+"v1,"+signature)), 400},
		"2,000 signatures":               {n(good.set("Svix-Signature", strings.Repeat("v1,x ", 2000)+"v1,"+signature)), 400},
		"5,000 signatures":               {n(good.set("Svix-Signature", strings.Repeat("v1,x ", 5000)+"v1,"+signature)), 431},
		"signature unpadded":             {n(good.set("Svix-Signature", "v1,"+strings.TrimRight(signature, "="))), 400},
		"signature in URL base64":        {n(good.set("Svix-Signature", "v1,"+strings.Repeat("-_", 21)+"8=")), 400},
		"signature in lower case":        {n(good.set("Svix-Signature", "v1,"+strings.ToLower(signature))), 400},
		"signature of no bytes":          {n(good.set("Svix-Signature", "v1,"+strings.Repeat("A", 43)+"=")), 400},
		"body changed":                   {n(good.withBody(strings.Replace(good.body, "Augusta", "Eve", 1))), 400},
		"body written otherwise":         {n(good.withBody(strings.ReplaceAll(good.body, `":`, `": `))), 400},
		"another secret":                 {n(signedAt("msg_1", created(refusedID), eventTime/1000, secretOf("another instance's secret"))), 400},
		"signed with no secret":          {n(signedWithNothing(created(refusedID))), 400},

		"empty body":              {n(signed("msg_1", "")), 400},
		"truncated JSON":          {n(signed("msg_1", created(refusedID)[:40])), 400},
		"something after JSON":    {n(signed("msg_1", created(refusedID)+"x")), 400},
		"two objects":             {n(signed("msg_1", created(refusedID)+created(refusedID))), 400},
		"byte order mark":         {n(signed("msg_1", "\xef\xbb\xbf"+created(refusedID))), 400},
		"UTF-16":                  {n(signed("msg_1", "{\x00}\x00")), 400},
		"JSON null":               {n(signed("msg_1", "null")), 400},
		"JSON array":              {n(signed("msg_1", "["+created(refusedID)+"]")), 400},
		"JSON string":             {n(signed("msg_1", `"x"`)), 400},
		"JSON number":             {n(signed("msg_1", "1")), 400},
		"not UTF-8":               {n(signed("msg_1", strings.Replace(created(refusedID), "Augusta", "\xff", 1))), 400},
		"type twice":              {n(signed("msg_1", strings.Replace(created(refusedID), "{", `{"type":"foo",`, 1))), 400},
		"data twice":              {n(signed("msg_1", strings.Replace(created(refusedID), "{", `{"data":{"id":"user_x"},`, 1))), 400},
		"instance_id twice":       {n(signed("msg_1", strings.Replace(created(refusedID), "{", `{"instance_id":"ins_x",`, 1))), 400},
		"id twice":                {n(signed("msg_1", strings.Replace(created(refusedID), `{"id"`, `{"id":"user_x","id"`, 1))), 400},
		"20,000 levels":           {n(signed("msg_1", `{"type":"user.created","data":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+"}")), 400},
		"levels to the limit":     {n(signed("msg_1", strings.Repeat(`{"data":`, 1<<17))), 400},
		"no type":                 {n(signed("msg_1", `{"data":{"id":"`+refusedID+`"}}`)), 422},
		"type null":               {n(signed("msg_1", `{"type":null,"data":{"id":"`+refusedID+`"}}`)), 422},
		"type empty":              {n(signed("msg_1", `{"type":"","data":{"id":"`+refusedID+`"}}`)), 422},
		"type a number":           {n(signed("msg_1", `{"type":7,"data":{"id":"`+refusedID+`"}}`)), 422},
		"type in other case":      {n(signed("msg_1", `{"TYPE":"user.created","data":{"id":"`+refusedID+`"}}`)), 422},
		"no data":                 {n(signed("msg_1", `{"type":"user.created"}`)), 422},
		"data null":               {n(signed("msg_1", `{"type":"user.created","data":null}`)), 422},
		"data an array":           {n(signed("msg_1", `{"type":"user.created","data":[{"id":"`+refusedID+`"}]}`)), 422},
		"data a string":           {n(signed("msg_1", `{"type":"user.created","data":"`+refusedID+`"}`)), 422},
		"no id":                   {n(signed("msg_1", `{"type":"user.created","data":{}}`)), 422},
		"id null":                 {n(signed("msg_1", `{"type":"user.created","data":{"id":null}}`)), 422},
		"id a number":             {n(signed("msg_1", `{"type":"user.created","data":{"id":1}}`)), 422},
		"another instance":        {n(signed("msg_1", strings.Replace(created(refusedID), "ins_ours", "ins_other", 1))), 422},
		"another's instance":      {n(signed("msg_1", strings.Replace(deleted(refusedID), "ins_ours", "ins_other", 1))), 422},
		"request without end":     {"POST /api/webhooks HTTP/1.1\r\nHost: x\r\n", 0},
		"header line without end": {"POST /api/webhooks HTTP/1.1\r\nHost: " + strings.Repeat("x", 40<<10), 431},
	}
}

func TestRefusal_LeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, func(c *Config) { c.InstanceID = "ins_ours"; c.Limits.Read = DefaultLimits().Read })
	cases := hostile()
	for _, id := range []string{
		"", ".", "..", "../x", "a/b", "%2e%2e", "-a", "a-", "a..b", "user_", "user_-a", "user_a.b", "user_a/b", "user_ä",
		"user_2abc ", " user_2abc", "user_2abc\n", "user_2abc\u0000", "user_😀", "USER_2abc", "org_2abc", "user_%2e%2e",
		"user_2abc?x=1", "user_2abc#x", "user_" + strings.Repeat("a", 59), "user_" + strings.Repeat("a", 254),
	} {
		c := cases["no id"]
		c.wire = signed("msg_1", created(id)).length().String()
		cases[fmt.Sprintf("id %.20q", id)] = c
	}
	t.Logf("door: %d hostile requests refused, %d signed events with hostile contents leave only the hint", len(cases), len(hostileFields()))
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := e.raw(t, c.wire)
			if c.status != got.status {
				t.Fatalf("answered %d %q, want %d", got.status, got.text, c.status)
			}
			if got.status == http.StatusMethodNotAllowed && got.header.Get("Allow") != http.MethodPost {
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			}
			if got.status != 0 && !got.closes {
				t.Error("the connection of an unauthenticated client stays open")
			}
			if strings.Contains(got.text, "Augusta") || strings.Contains(got.text, refusedID) || strings.Contains(got.text, "127.0.0.1") {
				t.Errorf("the response repeats the request: %q", got.text)
			}
		})
	}
	if n := w.writes(t); n != 0 {
		t.Errorf("%d writes, want none", n)
	}
	if got := e.post(t, signed("msg_good", created("user_2good"))); got.status != http.StatusOK {
		t.Errorf("a valid delivery afterwards: %d %q", got.status, got.text)
	}
}

func (r wireRequest) withBody(body string) wireRequest { r.body = body; return r }

// header returns the value of a header of r.
func header(r wireRequest, name string) string {
	for _, h := range r.headers {
		if value, ok := strings.CutPrefix(h, name+": "); ok {
			return value
		}
	}
	return ""
}

// unbranded returns r with the header names of the Standard Webhooks specification.
func unbranded(r wireRequest) wireRequest {
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		r = r.set("Webhook-"+name, header(r, "Svix-"+name)).set("Svix-" + name)
	}
	return r
}

// chunked returns a body in one chunk.
func chunked(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

// signedWithNothing returns a delivery that is signed with an empty secret, as anybody can do.
func signedWithNothing(body string) wireRequest {
	hook, err := svix.NewWebhook("")
	if err != nil {
		panic(err)
	}
	signature, err := hook.Sign("msg_1", time.Unix(eventTime/1000, 0), []byte(body))
	if err != nil {
		panic(err)
	}
	return signed("msg_1", body).set("Svix-Signature", signature)
}
