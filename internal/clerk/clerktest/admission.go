package clerktest

import (
	"net/http"
	"slices"
	"strings"
)

// admit refuses requests before it matters what they are about.
func (s *Server) admit(r *http.Request) *apiError {
	if err := s.authenticate(r); err != nil {
		return err
	}
	if err := checkVersion(r); err != nil {
		return err
	}
	return s.limiter.request()
}

func (s *Server) authenticate(r *http.Request) *apiError {
	key := bearer(r)
	if key == "" {
		return failure(http.StatusUnauthorized, "authorization_header_format_invalid")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.config.SecretKeys, key) {
		return failure(http.StatusUnauthorized, "clerk_key_invalid")
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

// checkVersion refuses versions of the API that were never published, and two ways of asking for one.
func checkVersion(r *http.Request) *apiError {
	header, query := askedVersions(r)
	if header != "" && query != "" {
		return failureSaying(http.StatusBadRequest, "api_version_invalid", "invalid API version",
			"Invalid Clerk API version: given both as header and as query parameter")
	}
	switch header + query {
	case "", "2021-02-05", "2024-10-01", "2025-03-12", "2025-04-10", "2025-11-10", "2026-05-12":
		return nil
	}
	return failureSaying(http.StatusBadRequest, "api_version_invalid", "invalid API version",
		"Invalid Clerk API version: unknown version")
}

// askedVersions are the two places where a request can name the version of the API it wants.
func askedVersions(r *http.Request) (header, query string) {
	return r.Header.Get("Clerk-Api-Version"), r.URL.Query().Get("__clerk_api_version")
}
