package install

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// abandoned is after how long an installation that did not end is one whose program was killed. Ours end within some
// requests; Helm's own wait for five minutes, if nobody says otherwise.
const abandoned = 10 * time.Minute

// read returns a release as this package knows it.
func read(found any) (*release.Release, error) {
	switch r := found.(type) {
	case *release.Release:
		return r, nil
	case release.Release:
		return &r, nil
	}
	return nil, fmt.Errorf("reading release %s: it is a %T, want one of chart API v2", Name, found)
}

// stored returns the newest revision of the release, nil if there is none.
func (i *Installer) stored() (*release.Release, error) {
	if err := i.helm.KubeClient.IsReachable(); err != nil {
		return nil, explain(err)
	}
	found, err := i.helm.Releases.Last(Name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(fmt.Errorf("reading release %s: %w", Name, err))
	}
	return read(found)
}

// last returns the newest revision of the release, nil if there is none. One that was interrupted long ago is marked as
// failed, which lets the next one begin.
func (i *Installer) last(now time.Time) (*release.Release, error) {
	r, err := i.stored()
	if err != nil || r == nil {
		return nil, err
	}
	switch wait := busy(r.Info.Status, now.Sub(r.Info.LastDeployed)); {
	case wait > 0:
		return nil, fmt.Errorf("%w: revision %d has been %s since %s: wait for whoever does that; if it was interrupted, try again in %s", ErrBusy, r.Version, r.Info.Status, r.Info.LastDeployed.UTC().Format(time.RFC3339), wait.Round(time.Second))
	case !unfinished(r.Info.Status):
		return r, nil
	}
	i.tell(fmt.Sprintf("revision %d was interrupted while it was %s: going on", r.Version, r.Info.Status))
	r.SetStatus(common.StatusFailed, "interrupted")
	if err := i.helm.Releases.Update(r); err != nil {
		return nil, explain(fmt.Errorf("marking revision %d as failed: %w", r.Version, err))
	}
	return r, nil
}

// values returns all values of the next revision: those that are said now, over those of the newest revision that went well.
// What was refused with a revision would be refused again, and what was uninstalled begins anew.
func (i *Installer) values(last *release.Release, now map[string]any) (map[string]any, error) {
	if last.Info.Status == common.StatusDeployed {
		return merge(last.Config, now), nil
	}
	well, err := i.wentWell()
	if err != nil {
		return nil, err
	}
	if well == nil && now["cluster"] == nil {
		return nil, fmt.Errorf("revision %d %s, and none before it went well: install the agents by hansa init or hansa join again", last.Version, last.Info.Status)
	}
	said, from := map[string]any(nil), "anew"
	if well != nil {
		said, from = well.Config, fmt.Sprintf("from the values of revision %d", well.Version)
	}
	all := merge(said, now)
	if !equal(all, merge(last.Config, now)) {
		i.tell(fmt.Sprintf("revision %d %s, and its values with it: going on %s", last.Version, last.Info.Status, from))
	}
	return all, nil
}

// wentWell returns the newest revision that went well, nil for none.
func (i *Installer) wentWell() (*release.Release, error) {
	all, err := i.helm.Releases.History(Name)
	if err != nil {
		return nil, explain(fmt.Errorf("reading the revisions of release %s: %w", Name, err))
	}
	revisions := make([]*release.Release, len(all))
	for n, one := range all {
		if revisions[n], err = read(one); err != nil {
			return nil, err
		}
	}
	return newestGood(revisions), nil
}

// newestGood returns the newest revision that was deployed since the release was last uninstalled, nil for none.
func newestGood(revisions []*release.Release) *release.Release {
	newest := slices.SortedFunc(slices.Values(revisions), func(a, b *release.Release) int { return b.Version - a.Version })
	for _, r := range newest {
		switch {
		case !r.Info.Deleted.IsZero():
			return nil
		case r.Info.Status == common.StatusDeployed, r.Info.Status == common.StatusSuperseded:
			return r
		}
	}
	return nil
}

// unfinished reports whether a release of a status is one that somebody is at, or was.
func unfinished(status common.Status) bool {
	return status.IsPending() || status == common.StatusUninstalling
}

// busy returns for how long somebody may still be at a release that has had a status for some time.
func busy(status common.Status, since time.Duration) time.Duration {
	if !unfinished(status) {
		return 0
	}
	return max(0, abandoned-since)
}

// merge returns values with others over them, deeply; both stay as they are. A list replaces a list.
func merge(values, over map[string]any) map[string]any {
	all := maps.Clone(values)
	if all == nil {
		all = map[string]any{}
	}
	for key, value := range over {
		below, isMap := all[key].(map[string]any)
		above, both := value.(map[string]any)
		if isMap && both {
			value = merge(below, above)
		}
		all[key] = value
	}
	return all
}

// same reports whether an upgrade would change nothing: the release went well, has these values and this manifest, and all
// of its objects are there.
func (i *Installer) same(ctx context.Context, last *release.Release, values map[string]any, o Options) (bool, error) {
	if last.Info.Status != common.StatusDeployed || !equal(last.Config, values) {
		return false, nil
	}
	next, err := i.upgrade(ctx, values, o, action.DryRunServer)
	if err != nil {
		return false, err
	}
	if next.Manifest != last.Manifest || !equal(next.Chart.Metadata, last.Chart.Metadata) {
		return false, nil
	}
	objects, err := i.helm.KubeClient.Build(bytes.NewBufferString(last.Manifest), false)
	if err != nil {
		return false, explain(fmt.Errorf("reading the release's manifest: %w", err))
	}
	for _, o := range objects {
		if err := o.Get(); apierrors.IsNotFound(err) {
			i.tell(fmt.Sprintf("%s %s is missing", o.Mapping.GroupVersionKind.Kind, o.Name))
			return false, nil
		} else if err != nil {
			return false, explain(fmt.Errorf("looking for %s %s: %w", o.Mapping.GroupVersionKind.Kind, o.Name, err))
		}
	}
	return true, nil
}

// equal compares two things as they are stored.
func equal(a, b any) bool {
	var stored [2]any
	for i, v := range []any{a, b} {
		text, err := json.Marshal(v)
		if err != nil || json.Unmarshal(text, &stored[i]) != nil {
			return false
		}
	}
	return reflect.DeepEqual(stored[0], stored[1])
}
