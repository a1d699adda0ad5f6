package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
)

// command is what a script can say to a cluster.
type command struct {
	usage       string // after CLUSTER
	least, most int    // how many arguments that takes
	run         func(s *scene, at *site, args []string) error
	fails       func(s *scene, at *site, args []string) error // with !, if it can be
	prints      bool
}

const anyNumber = 1000

var commands = map[string]command{
	"apply":    {usage: "FILE...", least: 1, most: anyNumber, run: (*scene).apply},
	"delete":   {usage: "KIND/NAME", least: 1, most: 1, run: (*scene).delete},
	"patch":    {usage: "KIND/NAME[/status] PATCH", least: 2, most: 2, run: (*scene).patch},
	"agent":    {usage: "stop|start|restart [ARGUMENT...]", least: 1, most: anyNumber, run: (*scene).agent, fails: (*scene).agentRefused, prints: true},
	"answers":  {usage: "PATH [EXPR...]", least: 1, most: anyNumber, run: (*scene).answers},
	"metric":   {usage: "NAME VALUE", least: 2, most: 2, run: (*scene).metric},
	"xds":      {usage: "HOST:PORT [ADDRESS...]", least: 1, most: anyNumber, run: (*scene).xds, fails: (*scene).xdsNone},
	"await":    {usage: "KIND/NAME [EXPR...]", least: 1, most: anyNumber, run: (*scene).await},
	"gone":     {usage: "KIND[/NAME] [SELECTOR]", least: 1, most: 2, run: (*scene).gone},
	"event":    {usage: "KIND/NAME REASON [TEXT]", least: 2, most: 3, run: (*scene).event},
	"get":      {usage: "KIND[/NAME] [SELECTOR] [PATH]", least: 1, most: 3, run: (*scene).get, fails: (*scene).getNone, prints: true},
	"save":     {usage: "KIND/NAME PATH VARIABLE", least: 3, most: 3, run: (*scene).save},
	"dns":      {usage: "NAME TYPE [RCODE [RECORD...]]", least: 2, most: anyNumber, run: (*scene).dns, prints: true},
	"versions": {run: (*scene).versions, prints: true},
	"requests": {run: (*scene).requests, prints: true},
}

// commands returns all that a script can say, of whole clustersets too.
func (s *scene) commands() map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){
		"barrier": s.withoutCluster(s.barrier),
		"tick":    s.withoutCluster(s.tick),
	}
	for name, c := range commands {
		all[name] = func(ts *testscript.TestScript, not bool, args []string) {
			s.ts = ts
			if len(args)-1 < c.least || len(args)-1 > c.most {
				ts.Fatalf("usage: %s CLUSTER %s", name, c.usage)
			}
			run := c.run
			if not {
				if run = c.fails; run == nil {
					ts.Fatalf("there is no ! %s", name)
				}
			}
			if c.prints {
				ts.Stdout() // is empty from here on
			}
			for cluster := range strings.SplitSeq(args[0], ",") {
				at, err := s.site(cluster)
				ts.Check(err)
				if s.above = ""; cluster != args[0] {
					s.above = "# " + cluster + "\n"
				}
				if err := run(s, at, args[1:]); err != nil {
					ts.Fatalf("%s: %v", cluster, err)
				}
			}
		}
	}
	return all
}

func (s *scene) withoutCluster(run func() error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, not bool, args []string) {
		if not || len(args) > 0 {
			ts.Fatalf("it takes no ! and no argument")
		}
		s.ts = ts
		ts.Check(run())
	}
}

// patiently returns a context for what must come.
func (s *scene) patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.t.Context(), patience)
}

// one reads KIND/NAME.
func (s *scene) one(at *site, text string) (ref, error) {
	r, err := at.ref(s.ns, text)
	if err == nil && r.name == "" {
		err = fmt.Errorf("%q: want KIND/NAME", text)
	}
	return r, err
}

func (s *scene) apply(at *site, files []string) error {
	for _, file := range files {
		text, err := s.expand(at, s.ts.ReadFile(file))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for doc := range strings.SplitSeq(text, "\n---\n") {
			if err := s.applyOne(at, doc); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

// expand puts variables into YAML.
func (s *scene) expand(at *site, text string) (string, error) {
	var unknown error
	text = os.Expand(text, func(name string) string {
		switch value := s.ts.Getenv(name); {
		case name == "CLUSTER":
			return at.Name
		case name == "NUMBER":
			return strconv.Itoa(at.number)
		case value != "":
			return value
		}
		unknown = fmt.Errorf("$%s has no value", name)
		return ""
	})
	return text, unknown
}

func (s *scene) applyOne(at *site, doc string) error {
	r, o, err := at.read(s.ns, doc)
	if err != nil {
		return err
	}
	switch {
	case r.namespace == s.ns:
	case r.name == state.DefaultName: // which is the agents' own
		s.asked[at] = true
	default:
		s.beyond = append(s.beyond, made{at, r})
	}
	if _, err := at.of(r).Apply(s.t.Context(), r.name, o, metav1.ApplyOptions{FieldManager: "kubectl"}); err != nil {
		return fmt.Errorf("applying %s: %w", r, err)
	}
	return nil
}

// askNothing lets the agents' own ConfigMap ask for nothing of what scripts do.
func (s *scene) askNothing(ctx context.Context, at *site) error {
	r, o, err := at.read(s.ns, fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: %s, namespace: %s}}", state.DefaultName, agent.Defaults().Namespace))
	if err == nil {
		_, err = at.of(r).Apply(ctx, r.name, o, metav1.ApplyOptions{FieldManager: "kubectl"})
	}
	return err
}

func (s *scene) delete(at *site, args []string) error {
	r, err := s.one(at, args[0])
	if err != nil {
		return err
	}
	return at.of(r).Delete(s.t.Context(), r.name, metav1.DeleteOptions{})
}

func (s *scene) patch(at *site, args []string) error {
	target, status := strings.CutSuffix(args[0], "/status")
	r, err := s.one(at, target)
	if err != nil {
		return err
	}
	patch, err := yaml.YAMLToJSON([]byte(args[1]))
	if err != nil {
		return fmt.Errorf("patch %q: %w", args[1], err)
	}
	var part []string
	if status {
		part = []string{"status"}
	}
	_, err = at.of(r).Patch(s.t.Context(), r.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"}, part...)
	return err
}

// selectorAndPath tells the two last arguments of get apart.
func selectorAndPath(args []string) (selector, path string, err error) {
	for _, a := range args {
		into := &selector
		if strings.HasPrefix(a, "{") {
			into = &path
		}
		if *into != "" {
			return "", "", fmt.Errorf("%q: there is %q already", a, *into)
		}
		*into = a
	}
	return selector, path, nil
}

// found returns what args of get select, written down; "" if that is nothing.
func (s *scene) found(at *site, args []string) (string, error) {
	r, err := at.ref(s.ns, args[0])
	if err != nil {
		return "", err
	}
	selector, path, err := selectorAndPath(args[1:])
	if err != nil {
		return "", err
	}
	list, err := at.of(r).List(s.t.Context(), among(r, selector))
	if err != nil {
		return "", fmt.Errorf("listing %s: %w", r, err)
	}
	if path == "" {
		return showObjects(list.Items)
	}
	parsed, err := parsePath(path)
	if err != nil {
		return "", err
	}
	var values []any
	for i := range list.Items {
		values = append(values, valuesAt(parsed, &list.Items[i])...)
	}
	return showValues(values)
}

func (s *scene) get(at *site, args []string) error {
	text, err := s.found(at, args)
	if err == nil && text == "" {
		return errors.New("there is none")
	}
	s.print(text)
	return err
}

func (s *scene) getNone(at *site, args []string) error {
	text, err := s.found(at, args)
	if err == nil && text != "" {
		return fmt.Errorf("there is\n%s", text)
	}
	return err
}

func (s *scene) save(at *site, args []string) error {
	r, err := s.one(at, args[0])
	if err != nil {
		return err
	}
	path, err := parsePath(args[1])
	if err != nil {
		return err
	}
	o, err := at.of(r).Get(s.t.Context(), r.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	value := line(valuesAt(path, o))
	if value == "" {
		return fmt.Errorf("%s has nothing at %s", r, args[1])
	}
	s.saved[args[2]] = value
	s.ts.Setenv(args[2], value)
	return nil
}

// versions lists the exports, and whatever bears the mark of an import.
func (s *scene) versions(at *site, _ []string) error {
	for _, kind := range []string{"serviceexport", "serviceimport", "service", "endpointslice"} {
		selector := "multicluster.kubernetes.io/service-name"
		if kind == "serviceexport" {
			selector = ""
		}
		r, err := at.ref(s.ns, kind)
		if err != nil {
			return err
		}
		list, err := at.of(r).List(s.t.Context(), among(r, selector))
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		for _, o := range list.Items {
			s.print(fmt.Sprintf("%s/%s %s %s\n", kind, o.GetName(), o.GetUID(), o.GetResourceVersion()))
		}
	}
	return nil
}
