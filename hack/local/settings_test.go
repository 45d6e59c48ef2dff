package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		environ map[string]string
		want    settings
		wantErr string
	}{
		"nothing set": {},
		"values": {
			environ: map[string]string{"CLERK_SECRET_KEY": "a", "CLERK_WEBHOOK_SECRET": "b", "DATABASE_URL": "c"},
			want:    settings{secretKey: "a", webhookSecret: "b", databaseURL: "c"},
		},
		"files":        {environ: map[string]string{"DATABASE_URL_FILE": file}, want: settings{databaseURL: "from a file"}},
		"users":        {environ: map[string]string{"FITUSER_LOCAL_USERS": "5000"}, want: settings{users: 5000}},
		"too many":     {environ: map[string]string{"FITUSER_LOCAL_USERS": "100001"}, wantErr: "at most 100000"},
		"negative":     {environ: map[string]string{"FITUSER_LOCAL_USERS": "-1"}, wantErr: `FITUSER_LOCAL_USERS is "-1"`},
		"not a number": {environ: map[string]string{"FITUSER_LOCAL_USERS": "many"}, wantErr: `FITUSER_LOCAL_USERS is "many"`},
		"stand-in users with the real Clerk": {
			environ: map[string]string{"FITUSER_LOCAL_USERS": "5", "CLERK_SECRET_KEY": "a"}, wantErr: "unset one of them",
		},
		"both forms":   {environ: map[string]string{"DATABASE_URL_FILE": file, "DATABASE_URL": "c"}, wantErr: "both set"},
		"missing file": {environ: map[string]string{"CLERK_SECRET_KEY_FILE": file + "s"}, wantErr: "CLERK_SECRET_KEY_FILE"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readSettings(func(name string) string { return test.environ[name] }, nil)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Errorf("error %v, want one about %q", err, test.wantErr)
				}
				return
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(settings{})); diff != "" || err != nil {
				t.Errorf("error %v, settings (-want +got):\n%s", err, diff)
			}
		})
	}
}

// The operator rejects a setting in both forms, and uses the form that it finds. So the caller's must be removed.
func TestSettings_WithRemovesCallersSettings(t *testing.T) {
	t.Parallel()
	s := settings{environ: []string{"HOME=/home/a=b", "CLERK_SECRET_KEY_FILE=/key", "CLERK_INSTANCE_ID=ins_theirs", "CLERK_SECRET=x"}}
	got := s.with(variable{"CLERK_SECRET_KEY", "ours"}, variable{"CLERK_INSTANCE_ID", ""})
	if diff := cmp.Diff([]string{"HOME=/home/a=b", "CLERK_SECRET=x", "CLERK_SECRET_KEY=ours"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
