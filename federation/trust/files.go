package trust

import "errors"

// Files are the paths of a member's PEM files: its certificate (leaf first, then intermediates), the
// key of that certificate, and the bundle of the CA certificates it trusts.
type Files struct {
	Cert, Key, CA string
}

// texts reads the files. Its errors name the file that is wrong.
func (f Files) texts() (c Credentials, err error) {
	for _, file := range []struct {
		path string
		text *[]byte
	}{{f.CA, &c.CA}, {f.Cert, &c.Cert}, {f.Key, &c.Key}} {
		if *file.text, err = readFile(file.path); err != nil {
			return Credentials{}, err
		}
	}
	return c, nil
}

// Write puts the texts into the files; the key's gets mode 0600. Each file is replaced whole.
func (f Files) Write(c Credentials) error {
	return errors.Join(
		writeFile(f.Key, c.Key, 0o600),
		writeFile(f.Cert, c.Cert, 0o644),
		writeFile(f.CA, c.CA, 0o644),
	)
}
