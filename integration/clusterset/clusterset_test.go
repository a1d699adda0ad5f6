package clusterset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
)

// patience is how long a test waits for what must come: long, so that only what never comes fails.
const patience = time.Minute

func start(t *testing.T, config Config) *Clusterset {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	config.Output = t.Output()
	set, err := Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	return set
}

func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "roles.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Roles that let an agent work: the account and a role for it, wider than a real one.
const (
	accountYAML = `# what agents are
---
apiVersion: v1
kind: Namespace
metadata: {name: hansa-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: hansa-agent, namespace: hansa-system}
`
	roleYAML = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: hansa-agent}
rules:
- apiGroups: ["", coordination.k8s.io, discovery.k8s.io, apiextensions.k8s.io, multicluster.x-k8s.io]
  resources: ["*"]
  verbs: [get, list, watch, create, update, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: hansa-agent}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: hansa-agent}
subjects: [{kind: ServiceAccount, name: hansa-agent, namespace: hansa-system}]
`
)

func TestAgentsMayDoWhatRolesLetThem(t *testing.T) {
	set := start(t, Config{Clusters: []string{"east", "west"}, InProcess: true, Roles: write(t, accountYAML+"---"+roleYAML)})
	for _, m := range set.Members() {
		path := m.options().Kubeconfig
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", path, info, err)
		}
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			t.Fatal(err)
		}
		as, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		who, err := as.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if user := who.Status.UserInfo; user.Username != Account || slices.Contains(user.Groups, "system:masters") {
			t.Errorf("the agent of %s is %+v, want %s", m.Name, user, Account)
		}
	}
}

// Roles are obeyed from the moment that grant returns, and what it adds to find out is gone then.
func TestGrantedRolesAreObeyed(t *testing.T) {
	set := start(t, Config{Clusters: []string{"east"}, InProcess: true, WithoutAPI: true})
	c := set.Member("east").Client
	for i := range 10 {
		resource := fmt.Sprintf("kind-%d", i)
		named := strings.NewReplacer("name: hansa-agent}", "name: "+resource+"}", `["*"]`, "["+resource+"]")
		roles, err := readRoles(write(t, accountYAML+"---"+named.Replace(roleYAML)))
		if err != nil {
			t.Fatal(err)
		}
		if err := grant(t.Context(), c, roles); err != nil {
			t.Fatal(err)
		}
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: Account, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: resource},
		}}
		if err := c.Create(t.Context(), review); err != nil || !review.Status.Allowed {
			t.Errorf("%s is granted, but: %v, %+v", resource, err, review.Status)
		}
	}
	var bindings rbacv1.ClusterRoleBindingList
	if err := c.List(t.Context(), &bindings); err != nil {
		t.Fatal(err)
	}
	for _, b := range bindings.Items {
		if strings.HasPrefix(b.Name, "written-last") {
			t.Errorf("%s is left", b.Name)
		}
	}
}

// The agent itself comes as the account: one that nothing is granted to says so, until it is granted.
func TestAgentsMayNotDoWhatRolesDoNotLetThem(t *testing.T) {
	set := start(t, Config{Clusters: []string{"east"}, InProcess: true, WithoutAPI: true, Roles: write(t, accountYAML)})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	east := set.Member("east")
	var said error
	for said == nil || !strings.Contains(said.Error(), `User "`+Account+`" cannot`) {
		if _, said = east.Get(ctx, "/readyz"); ctx.Err() != nil {
			t.Fatalf("/readyz says %v, want what the account cannot do", said)
		}
	}
	roles, err := readRoles(write(t, roleYAML))
	if err != nil {
		t.Fatal(err)
	}
	if err := grant(ctx, east.Client, roles); err != nil {
		t.Fatal(err)
	}
	if err := InstallCRDs(ctx, east.Client); err != nil {
		t.Fatal(err)
	}
	if err := east.AwaitReady(ctx); err != nil {
		t.Error(err)
	}
}

func TestMistakesInRolesAreNamedBeforeAnythingStarts(t *testing.T) {
	for text, want := range map[string]string{
		"# nothing\n":      "it has no object",
		"kind: [Namespace": "did not find expected",
	} {
		path := write(t, text)
		_, err := Start(t.Context(), Config{Clusters: []string{"east"}, Roles: path})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: err = %v, want %s and %q", text, err, path, want)
		}
	}
	if _, err := Start(t.Context(), Config{Clusters: []string{"east"}, Roles: "absent.yaml"}); err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("err = %v, want the file that is not there", err)
	}
}

func TestArgumentsSayWhatOptionsSay(t *testing.T) {
	want := agent.Defaults()
	want.Cluster, want.Peers = "east", []string{"127.0.0.1:1", "127.0.0.1:2"}
	want.AddressRest, want.DNSZone = 0, ""
	args := arguments(want)
	if len(args) != 5 {
		t.Errorf("arguments %q, want one for each option that is not as by default", args)
	}
	got := agent.Defaults()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	got.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("arguments %q say %+v, want %+v", args, got, want)
	}
}

// Agents as processes: the hook's options reach them by their command line, at each start.
func TestOptionsAndRestartOfAProcess(t *testing.T) {
	formats := []string{"text", "json"}
	set := start(t, Config{Clusters: []string{"east"}, Options: func(cluster string, o *agent.Options) {
		if cluster != "east" || o.Cluster != "east" {
			t.Errorf("asked for %q with %+v", cluster, o)
		}
		o.LogFormat, formats = formats[0], formats[1:]
	}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	east := set.Member("east")
	before := east.process.Pid()
	if strings.HasPrefix(east.lastLine(), "{") {
		t.Errorf("the first agent logs %s, want text", east.lastLine())
	}
	if err := east.RestartAgent(ctx); err != nil {
		t.Fatal(err)
	}
	if east.process.Pid() == before {
		t.Error("it is the same process")
	}
	if !strings.HasPrefix(east.lastLine(), "{") {
		t.Errorf("the second agent logs %s, want JSON", east.lastLine())
	}
}

func TestOnlyMembersOfDualStackGiveTwoAddresses(t *testing.T) {
	set := start(t, Config{Clusters: []string{"east", "west"}, DualStack: []string{"east"}, InProcess: true})
	for cluster, want := range map[string]int{"east": 2, "west": 1} {
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}, IPFamilyPolicy: new(corev1.IPFamilyPolicyPreferDualStack)},
		}
		if err := set.Member(cluster).Client.Create(t.Context(), service); err != nil {
			t.Fatal(err)
		}
		if got := service.Spec.ClusterIPs; len(got) != want {
			t.Errorf("%s gave %v, want %d addresses", cluster, got, want)
		}
	}
}
