package clerktest

import "encoding/json"

// Event is the body of a webhook: schema WebhookEventPayload of Clerk's OpenAPI document. The keys are in alphabetical
// order, as in real bodies.
type Event struct {
	// Data is a [User], or a [DeletedObject] in user.deleted.
	Data            any             `json:"data"`
	EventAttributes EventAttributes `json:"event_attributes"`
	// InstanceID is omitted if empty, as in the older examples of Clerk's dashboard.
	InstanceID string `json:"instance_id,omitempty"`
	Object     string `json:"object"`
	// Timestamp is in milliseconds in real events and in seconds in the dashboard's examples.
	Timestamp int64  `json:"timestamp"`
	Type      string `json:"type"`
}

// EventAttributes describe the cause of an event.
type EventAttributes struct {
	HTTPRequest HTTPRequest `json:"http_request"`
}

// HTTPRequest is the request that caused an event.
type HTTPRequest struct {
	ClientIP  string `json:"client_ip"`
	UserAgent string `json:"user_agent"`
}

// body returns the bytes of the webhook.
func (e Event) body() ([]byte, error) { return json.Marshal(e) }

// exampleUserID is the user of the dashboard's examples. It exists in no instance.
const exampleUserID = "user_2g7np7Hrk0SN6kj5EDMLDaKNL0S"

// The time in all of the dashboard's examples.
const (
	exampleSeconds = 1_716_883_200
	exampleMillis  = exampleSeconds * 1000
)

// ExampleCreated returns the user.created that "Send Example" in Clerk's dashboard sends. It is correctly signed, but its
// user does not exist, its timestamp is in seconds, and its primary address is not among the addresses.
func ExampleCreated() Event {
	return exampleEvent("user.created", exampleUser())
}

// ExampleUpdated returns the dashboard's user.updated for the same user.
func ExampleUpdated() Event {
	u := exampleUser()
	u.LastName, u.Username = new("Doe Updated"), new("johndoe")
	u.PublicMetadata = Metadata{"department": "engineering"}
	u.TwoFactorEnabled, u.TOTPEnabled, u.MFAEnabledAt = true, true, new(int64(exampleMillis))
	u.LastSignInAt, u.UpdatedAt = new(int64(exampleMillis+200_000)), exampleMillis+300_000
	u.LastActiveAt = new(int64(exampleMillis + 300_000))
	return exampleEvent("user.updated", u)
}

// ExampleDeleted returns the dashboard's user.deleted for the same user. Only here the user has an external_id.
func ExampleDeleted() Event {
	return exampleEvent("user.deleted", DeletedObject{
		Deleted: true, ExternalID: new("ex_123456789"), ID: exampleUserID, Object: "user",
	})
}

// ExampleWithoutInstance returns a user.created of the older examples, which lack instance_id.
func ExampleWithoutInstance() Event {
	u := exampleUser()
	u.ID = "user_29w83sxmDNGwOuEthce5gg56FcC"
	e := exampleEvent("user.created", u)
	e.InstanceID = ""
	return e
}

func exampleEvent(kind string, data any) Event {
	const agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/128.0.0.0 Safari/537.36"
	return Event{
		Data: data, EventAttributes: EventAttributes{HTTPRequest{ClientIP: "192.168.1.100", UserAgent: agent}},
		InstanceID: "ins_2g7np7Hrk0SN6kj5EDMLDaKNL0S", Object: "event", Timestamp: exampleSeconds, Type: kind,
	}
}

func exampleUser() User {
	at := new(int64(exampleMillis))
	return User{
		ID: exampleUserID, Object: "user", FirstName: new("John"), LastName: new("Doe"),
		PrimaryEmailAddressID: new("idn_2g7np7Hrk0SN6kj5EDMLDaKNL0S"),
		ImageURL:              "https://img.clerk.com/xxxxxx", HasImage: true,
		ProfileImageURL: "https://img.clerk.com/xxxxxx",
		PublicMetadata:  Metadata{}, UnsafeMetadata: Metadata{},
		EmailAddresses: []EmailAddress{}, PhoneNumbers: []PhoneNumber{}, Web3Wallets: []any{}, Passkeys: []any{},
		ExternalAccounts: []any{}, SAMLAccounts: []any{}, EnterpriseAccounts: []any{},
		PasswordEnabled: true, DeleteSelfEnabled: true, CreateOrganizationEnabled: true,
		CreatedAt: *at, UpdatedAt: *at, LastSignInAt: at, LastActiveAt: at, LegalAcceptedAt: at,
	}
}
