package main

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestCPUIsOfAllThreadsOfTheProcess(t *testing.T) {
	first := used().CPU
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// Two goroutines work on threads of their own until the process's other count has grown by so much.
	const worked = 100 * time.Millisecond
	other := used().CPU
	done := make(chan struct{})
	for range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			for used().CPU-other < worked {
			}
		}()
	}
	<-done
	<-done
	after, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	whole := used().CPU - first
	if got := after - before; got < worked-10*time.Millisecond || got > whole+10*time.Millisecond {
		t.Errorf("the clock counted %s, getrusage %s to %s", got, worked, whole)
	}
}

func TestCPUOfNoProcessIsAnError(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := cpuOf(cmd.Process.Pid); err == nil {
		t.Error("a process that ended has a CPU clock")
	}
}
