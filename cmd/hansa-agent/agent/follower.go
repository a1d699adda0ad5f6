package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
)

// follower follows the one object that an informer sees.
type follower struct {
	informer toolscache.SharedIndexInformer
	see      func(obj any)   // is told the object at first and on each change, nil when it goes
	blind    func(err error) // is told each time that it cannot be read, because of the API server's word
	// patience is how long such a word is not taken for final at the start; 0 is for not at all.
	patience time.Duration
	// settled closes once the object was read, or found absent, or once the API server refused to show it.
	settled chan struct{}
}

// run follows until ctx ends. It may be called once.
func (f *follower) run(ctx context.Context) error {
	settle := sync.OnceFunc(func() { close(f.settled) })
	err := f.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *toolscache.Reflector, err error) {
		switch {
		case apierrors.IsNotFound(err): // its kind is gone, or not served yet: no object
			settle()
		case refusal(err):
			f.blind(err)
			time.AfterFunc(f.patience, settle)
		}
	})
	if err != nil {
		return err
	}
	handle, err := f.informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    f.see,
		UpdateFunc: func(_, obj any) { f.see(obj) },
		DeleteFunc: func(any) { f.see(nil) },
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		f.informer.RunWithContext(ctx)
		return nil
	})
	select {
	case <-handle.HasSyncedChecker().Done():
		settle()
	case <-ctx.Done():
	}
	return group.Wait()
}

// refusal reports whether an error of reading is the API server's word, which trying again at once does
// not change: no such right, or a version that cannot be converted. An API server that cannot be reached,
// or is busy, has not said anything yet.
func refusal(err error) bool {
	_, answered := errors.AsType[*apierrors.StatusError](err)
	for _, passing := range []func(error) bool{
		apierrors.IsServiceUnavailable, apierrors.IsTooManyRequests, apierrors.IsTimeout, apierrors.IsServerTimeout,
		apierrors.IsResourceExpired, apierrors.IsGone, apierrors.IsInternalError, apierrors.IsUnexpectedServerError,
	} {
		answered = answered && !passing(err)
	}
	return answered
}
