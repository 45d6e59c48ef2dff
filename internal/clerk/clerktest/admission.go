package clerktest

import (
	"net/http"
	"slices"
	"strings"
)

// admit checks what all endpoints check first: the key, the API version and the instance's rate limit.
func (s *Server) admit(r *http.Request) *apiError {
	if err := s.authenticate(r); err != nil {
		return err
	}
	if err := checkVersion(r); err != nil {
		return err
	}
	return s.limiter.admitRequest()
}

func (s *Server) authenticate(r *http.Request) *apiError {
	key := bearer(r)
	if key == "" {
		return catalogError(http.StatusUnauthorized, "authorization_header_format_invalid")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.config.SecretKeys, key) {
		return catalogError(http.StatusUnauthorized, "clerk_key_invalid")
	}
	return nil
}

func bearer(r *http.Request) string {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return key
}

// checkVersion rejects unpublished API versions, and a version given both as header and as query parameter.
func checkVersion(r *http.Request) *apiError {
	header, query := requestedVersions(r)
	if header != "" && query != "" {
		return newAPIError(http.StatusBadRequest, "api_version_invalid", "invalid API version",
			"Invalid Clerk API version: given both as header and as query parameter")
	}
	switch header + query {
	case "", "2021-02-05", "2024-10-01", "2025-03-12", "2025-04-10", "2025-11-10", "2026-05-12":
		return nil
	}
	return newAPIError(http.StatusBadRequest, "api_version_invalid", "invalid API version",
		"Invalid Clerk API version: unknown version")
}

// requestedVersions returns the API version that a request names in its header and in its query.
func requestedVersions(r *http.Request) (header, query string) {
	return r.Header.Get("Clerk-Api-Version"), r.URL.Query().Get("__clerk_api_version")
}
