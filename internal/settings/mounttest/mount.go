// Package mounttest replaces files in tests as the kubelet replaces a mounted Secret or ConfigMap.
package mounttest

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace puts files into dir in place of those that it put there before. As with the kubelet, each file is a link to a link
// to a directory, and that directory is replaced as a whole.
func Replace(dir string, files map[string]string) error {
	version, err := os.MkdirTemp(dir, "..version")
	if err != nil {
		return err
	}
	for name, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(version, name), []byte(content), 0o600))
	}
	before, _ := os.Readlink(filepath.Join(dir, "..data"))
	err = errors.Join(err, os.Symlink(filepath.Base(version), filepath.Join(dir, "..next")),
		os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")))
	for name := range files {
		if _, absent := os.Lstat(filepath.Join(dir, name)); absent != nil {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
	}
	if before != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, before)))
	}
	return err
}

// ReplaceFile puts one file into its directory, as [Replace] does.
func ReplaceFile(path, content string) error {
	return Replace(filepath.Dir(path), map[string]string{filepath.Base(path): content})
}
