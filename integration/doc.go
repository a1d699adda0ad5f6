// Package integration holds what looks at Hansa as a whole: stories of whole clusters on real API
// servers, and the house rules as tests. Its subpackages are what those need: lab runs control planes,
// clusterset runs agents on them, echo answers behind Services, probe asks by every door.
package integration
