package machine

import "testing"

func TestAMachineIsOneLine(t *testing.T) {
	m := Machine{cpu: "Some CPU @ 2.00GHz", cores: 2, memory: 24 << 30, kernel: "Linux 6.1.0", goVersion: "go1.26.8", commit: "abc1234"}
	const want = "Some CPU @ 2.00GHz, 2 cores, 24.0 GiB, Linux 6.1.0, go1.26.8, abc1234"
	if got := m.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFieldIsTheFirstOfThatName(t *testing.T) {
	const text = "processor\t: 0\nmodel name\t: Some CPU: fast\n\nprocessor\t: 1\nmodel name\t: Another\n"
	for name, want := range map[string]string{"model name": "Some CPU: fast", "processor": "0", "model": ""} {
		if got := field(text, name); got != want {
			t.Errorf("field %q is %q, want %q", name, got, want)
		}
	}
}
