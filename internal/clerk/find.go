package clerk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	sdk "github.com/clerk/clerk-sdk-go/v2"

	"github.com/fitai/fituser-operator/internal/user"
)

// maxQuery bounds the query of one request in bytes. Proxies refuse long addresses; many have a limit of 8 KiB. It has
// room for 100 addresses of usual length.
const maxQuery = 7 << 10

// errUnsettled means that the response does not contain all users with the address. It can never prove that nobody has
// the address.
var errUnsettled = errors.New("the response does not settle who has the address")

// FindByEmail implements [Client].
func (c *client) FindByEmail(ctx context.Context, address string) ([]user.User, error) {
	address = user.NormalizeEmail(address)
	if address == "" {
		return nil, &Error{Kind: Rejected, detail: "the e-mail address is empty"}
	}
	users, err := c.byEmail.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("finding users by e-mail address: %w", err)
	}
	return slices.Clone(users), nil
}

// readHolders lists the users with this address.
func (c *client) readHolders(ctx context.Context, address string) ([]user.User, error) {
	found, err := c.listHolders(ctx, []string{address})
	return found[address], err
}

// readAllHolders lists the users with each of these addresses. It halves a request that does not settle all of them, or
// that Clerk rejects, so that one address does not affect the others. Addresses that remain are left out.
func (c *client) readAllHolders(ctx context.Context, addresses []string) (map[string][]user.User, error) {
	query := emailQuery{addresses: addresses}
	if len(addresses) > 1 && len(query.ToQuery().Encode()) > maxQuery {
		return c.readHalves(ctx, addresses)
	}
	found, err := c.listHolders(ctx, addresses)
	switch {
	case !errors.Is(err, errUnsettled) && KindOf(err) != Rejected:
		return found, err
	case len(addresses) == 1:
		return nil, nil
	default:
		return c.readHalves(ctx, addresses)
	}
}

func (c *client) readHalves(ctx context.Context, addresses []string) (map[string][]user.User, error) {
	found := make(map[string][]user.User, len(addresses))
	for half := range slices.Chunk(addresses, (len(addresses)+1)/2) {
		if err := c.budget.acquire(ctx); err != nil {
			return nil, err
		}
		users, err := c.readAllHolders(ctx, half)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, users)
	}
	return found, nil
}

// listHolders sends one request, for which the caller has acquired budget.
func (c *client) listHolders(ctx context.Context, addresses []string) (map[string][]user.User, error) {
	body, err := c.call(ctx, http.MethodGet, "users", &emailQuery{addresses: addresses})
	if err != nil {
		return nil, err
	}
	return decodeHolders(body, addresses, c.extra()...)
}

// decodeHolders returns the users who list each of the addresses. An address that nobody lists has an empty entry. A full
// page may lack users, and so does a page with an entry that cannot be decoded.
func decodeHolders(body []byte, addresses []string, extra ...user.Field) (map[string][]user.User, error) {
	entries, err := decodeList(body)
	if err != nil {
		return nil, err
	}
	if len(entries) >= PageSize {
		return nil, &Error{Kind: Unavailable, detail: "more users than one page", cause: errUnsettled}
	}
	found := make(map[string][]user.User, len(addresses))
	for _, address := range addresses {
		found[address] = nil
	}
	for _, entry := range entries {
		var w wireUser
		u, err := w.decode(entry, extra...)
		if err != nil {
			return nil, &Error{Kind: Unavailable, detail: "a list entry is not a user", cause: errUnsettled}
		}
		for address := range w.addresses() {
			if users, requested := found[address]; requested {
				found[address] = append(users, u)
			}
		}
	}
	return found, nil
}

// addresses returns the user's addresses, verified or not, each once.
func (w *wireUser) addresses() map[string]struct{} {
	addresses := make(map[string]struct{}, len(w.Emails))
	for _, e := range w.Emails {
		addresses[user.NormalizeEmail(e.Email)] = struct{}{}
	}
	return addresses
}

// emailQuery requests users by address, oldest first. The limit exceeds the number of addresses: several users can list
// one address unverified.
type emailQuery struct {
	sdk.APIParams
	addresses []string
}

// ToQuery implements the SDK's Params.
func (q *emailQuery) ToQuery() url.Values {
	return url.Values{
		"limit": {strconv.Itoa(PageSize)}, "order_by": {"+created_at"}, "email_address": q.addresses,
	}
}
