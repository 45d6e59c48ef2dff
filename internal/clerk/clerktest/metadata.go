package clerktest

import (
	"encoding/json"
	"maps"
)

// maxMetadataBytes bounds the JSON of each of a user's three metadata fields (Clerk's documentation on user metadata:
// 8 KB).
const maxMetadataBytes = 8 << 10

// Metadata is one of a user's three metadata fields. Numbers from the API are kept as json.Number, with all their digits.
// Nil is JSON null, which only PUT /users/{id}/metadata can store.
type Metadata map[string]any

// merge returns m merged with patch, as PATCH /users/{id}/metadata does: objects are merged at every depth, null removes
// its key, and other values replace. Replacing arrays is a choice: Clerk's documentation mentions only nested objects.
func (m Metadata) merge(patch Metadata) Metadata {
	return mergeObject(m, patch)
}

func mergeObject(base, patch map[string]any) map[string]any {
	merged := maps.Clone(base)
	if merged == nil {
		merged = make(map[string]any, len(patch))
	}
	for key, value := range patch {
		switch v := value.(type) {
		case nil:
			delete(merged, key)
		case map[string]any:
			inner, _ := merged[key].(map[string]any)
			merged[key] = mergeObject(inner, v)
		default:
			merged[key] = v
		}
	}
	return merged
}

// tooLarge reports whether m exceeds Clerk's limit.
func (m Metadata) tooLarge() bool {
	b, err := json.Marshal(m)
	return err != nil || len(b) > maxMetadataBytes
}

func (m Metadata) clone() Metadata {
	if m == nil {
		return nil
	}
	return cloneObject(m)
}

func cloneObject(object map[string]any) map[string]any {
	out := make(map[string]any, len(object))
	for key, value := range object {
		out[key] = cloneValue(value)
	}
	return out
}

func cloneValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return cloneObject(v)
	case Metadata:
		return cloneObject(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = cloneValue(item)
		}
		return out
	default:
		return v
	}
}
