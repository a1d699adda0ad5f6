package enroll

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation/trust"
)

func TestWhoSaysNothingIsCutInTime(t *testing.T) {
	for name, said := range map[string][]byte{"nothing": nil, "half a length": {0, 0}, "half a frame": append(head(100), '{')} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewServer(Config{Log: quietLog})
				here, there := net.Pipe()
				s.crowd.enter(t.Context(), func(ctx context.Context) { s.talk(ctx, there) })
				began := time.Now()
				if _, err := here.Write(said); err != nil && said != nil {
					t.Error(err)
				}
				if _, err := here.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("got %v, want the end", err)
				}
				if took := time.Since(began); took != talkTime {
					t.Errorf("it took %v, want %v", took, talkTime)
				}
				here.Close()
				s.crowd.wait()
				if got := s.Stats(); got.Silent != 1 || got.Joined+got.Renewed+refusedInAll(got) != 0 {
					t.Errorf("stats %+v", got)
				}
			})
		})
	}
}

// A member whose own API server says nothing says so, in time to be heard.
func TestAMemberThatCannotFindOutSaysSoInTime(t *testing.T) {
	ca := must(trust.NewAuthority(mesh, time.Now()))(t)
	id := newIdentity(t, ca, mesh, "east")
	said := frame(t, asks(t, applicant(t, "west"), must(ca.NewToken(""))(t)))
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Config{Identity: id, Log: quietLog, Authority: func(ctx context.Context) (*trust.Authority, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		here, there := net.Pipe()
		s.crowd.enter(t.Context(), func(ctx context.Context) { s.talk(ctx, there) })
		began := time.Now()
		if _, err := here.Write(said); err != nil {
			t.Fatal(err)
		}
		var answer reply
		if err := readFrame(here, &answer, maxReply); err != nil || answer.Code != Failed {
			t.Errorf("%+v, %v", answer, err)
		}
		if took := time.Since(began); took != thinkTime {
			t.Errorf("it took %v, want %v", took, thinkTime)
		}
		here.Close()
		s.crowd.wait()
	})
}

// When all places are taken the oldest goes at once, and no other.
func TestTheOldestMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		began := time.Now()
		left := make(chan int, maxTalks+1)
		for i := range maxTalks + 1 {
			c.enter(t.Context(), func(ctx context.Context) {
				<-ctx.Done()
				left <- i
			})
		}
		if i := <-left; i != 0 || !time.Now().Equal(began) {
			t.Errorf("number %d left after %v, want the oldest at once", i, time.Since(began))
		}
		synctest.Wait()
		if len(left) != 0 {
			t.Errorf("%d others left too", len(left))
		}
		c.wait()
		if took := time.Since(began); took != talkTime {
			t.Errorf("the others left after %v, want %v", took, talkTime)
		}
	})
}
