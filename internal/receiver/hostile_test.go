package receiver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fitai/fituser-operator/api/v1alpha1"
	"github.com/fitai/fituser-operator/internal/fitusers"
)

// hostileFields returns fields that a user, or a holder of the signing secret, can put beside the id. All are legal, so
// the response is 200. Each contains "mallory".
func hostileFields() map[string]string {
	return map[string]string{
		"role in unsafe_metadata":      `"unsafe_metadata":{"role":"admin","by":"mallory"}`,
		"role in public_metadata":      `"public_metadata":{"role":"admin","by":"mallory"}`,
		"marker in private_metadata":   `"private_metadata":{"fituser":{"role":"admin"},"by":"mallory"}`,
		"NUL in a name":                `"last_name":"mallory\u0000"`,
		"half a surrogate in a name":   `"last_name":"mallory\ud800"`,
		"lines and colours in a name":  `"last_name":"mallory\r\n{\"level\":\"error\"}\u001b[31m"`,
		"a name read backwards":        `"last_name":"\u202emallory\u200b"`,
		"templates in a name":          `"last_name":"{{mallory}} ${jndi:ldap://mallory} %s%n"`,
		"SQL in a name":                `"last_name":"mallory'; DROP TABLE users; --"`,
		"HTML in a name":               `"last_name":"<script>mallory</script>"`,
		"a name of 10 KiB":             `"last_name":"mallory` + strings.Repeat("\u0301", 5<<10) + `"`,
		"no e-mail address":            `"last_name":"mallory","email_addresses":[],"primary_email_address_id":null`,
		"5,000 e-mail addresses":       `"email_addresses":[` + strings.Repeat(`{"id":"idn_1","email_address":"mallory@example.com"},`, 4999) + `{}]`,
		"an unknown primary address":   `"primary_email_address_id":"mallory","email_addresses":[{"id":"idn_1"}]`,
		"an image in the file system":  `"image_url":"file:///etc/mallory"`,
		"an image in the cloud's core": `"image_url":"http://169.254.169.254/mallory"`,
		"metadata of 200 KiB":          `"public_metadata":{"by":"mallory","x":"` + strings.Repeat("x", 200<<10) + `"}`,
		"5,000 levels of metadata":     `"public_metadata":{"by":"mallory","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
		"numbers that are too large":   `"last_name":"mallory","created_at":1e999999,"age":` + strings.Repeat("9", 400),
		"times that are texts":         `"last_name":"mallory","created_at":"mallory"`,
		"fields twice":                 `"last_name":"mallory","last_name":"mallory"`,
		"a prototype":                  `"__proto__":{"by":"mallory"},"constructor":{"prototype":{}}`,
		"annotations and a spec":       `"metadata":{"annotations":{"by":"mallory"}},"spec":{"role":"admin"},"status":{"role":"admin"}`,
	}
}

// No field of the event's user reaches the FitUser except the id: no name, no role.
func TestEvent_HostileFieldsLeaveOnlyTheHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.receive(t, nil)
	n := 0
	for name, fields := range hostileFields() {
		n++
		id := fmt.Sprintf("user_2hostile%d", n)
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(created(id), `{"id"`, "{"+fields+`,"id"`, 1)
			mustAccept(t, e.post(t, signed("msg_1", body)))
			u := w.users(t)[fitusers.NameFor(id, 0)]
			whole, err := json.Marshal(u)
			if err != nil || strings.Contains(string(whole), "mallory") {
				t.Errorf("the FitUser contains a field of the event: %s, %v", whole, err)
			}
			want := v1alpha1.FitUserSpec{ClerkUserID: id}
			if diff := cmp.Diff(want, u.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}
