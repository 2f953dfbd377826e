// A minimal operator on controller-runtime that makes the same objects for an Agent as AgentPG's does: what bench:operator compares with.
// It has no database, no checks and no events; the objects come from templates, so that they are the same to the byte.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const hashAnnotation = "bench.agentpg.dev/applied"

// A template holds these instead of the Agent's own.
const (
	templateName      = "template-agent"
	templateNamespace = "template-namespace"
	templateUID       = "template-uid"
	templateRevision  = "template-revision"
)

type template struct {
	Kind   string          `json:"kind"`
	Object json.RawMessage `json:"object"`
}

type reconciler struct {
	client.Client
	templates []template
}

func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	agent := &Agent{}
	if err := r.Get(ctx, req.NamespacedName, agent); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	revision, err := revisionOf(agent.Spec)
	if err != nil {
		return ctrl.Result{}, err
	}
	fill := strings.NewReplacer(templateName, agent.Name, templateNamespace, agent.Namespace, templateUID, string(agent.UID), templateRevision, revision)
	for _, it := range r.templates {
		if err := r.apply(ctx, it.Kind, fill.Replace(string(it.Object))); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, r.status(ctx, agent)
}

// apply writes an object unless the cache has it as it was last applied.
func (r *reconciler) apply(ctx context.Context, kind, text string) error {
	wanted := &unstructured.Unstructured{}
	if err := wanted.UnmarshalJSON([]byte(text)); err != nil {
		return err
	}
	hash := hashOf([]byte(text))
	live := liveOf(kind)
	if err := r.Get(ctx, client.ObjectKeyFromObject(wanted), live); client.IgnoreNotFound(err) != nil {
		return err
	} else if err == nil && live.GetAnnotations()[hashAnnotation] == hash {
		return nil
	}
	wanted.SetAnnotations(map[string]string{hashAnnotation: hash})
	return r.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), client.FieldOwner("bench"), client.ForceOwnership)
}

func (r *reconciler) status(ctx context.Context, agent *Agent) error {
	deployment := &appsv1.Deployment{}
	if err := r.Get(ctx, client.ObjectKey{Namespace: agent.Namespace, Name: "agent-" + agent.Name}, deployment); err != nil {
		return client.IgnoreNotFound(err) // its event brings us back
	}
	s := deployment.Status
	ready := s.ObservedGeneration >= deployment.Generation && s.UpdatedReplicas == s.Replicas && s.AvailableReplicas == s.Replicas && s.Replicas > 0
	if !ready {
		return nil
	}
	before := agent.DeepCopy()
	agent.Status.ObservedGeneration = agent.Generation
	setCondition(&agent.Status.Conditions, "Ready", "Ready", agent.Generation)
	setCondition(&agent.Status.Conditions, "Progressing", "RolledOut", agent.Generation)
	if apiequality.Semantic.DeepEqual(before.Status, agent.Status) {
		return nil
	}
	return r.Status().Patch(ctx, agent, client.MergeFrom(before))
}

func liveOf(kind string) client.Object {
	switch kind {
	case "NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "ServiceAccount":
		return &corev1.ServiceAccount{}
	case "ConfigMap":
		return &corev1.ConfigMap{}
	case "Service":
		return &corev1.Service{}
	default:
		return &appsv1.Deployment{}
	}
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func revisionOf(spec AgentSpec) (string, error) {
	data, err := json.Marshal(spec)
	return hashOf(data)[:10], err
}

func must(err error) {
	if err != nil {
		log.Log.Error(err, "the comparison operator ends")
		os.Exit(1)
	}
}

func main() {
	templatesFile := flag.String("templates", "", "the objects of an Agent, JSON")
	metrics := flag.String("metrics", "127.0.0.1:0", "where metrics are served")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	text, err := os.ReadFile(*templatesFile)
	must(err)
	r := &reconciler{}
	must(json.Unmarshal(text, &r.templates))
	scheme := runtime.NewScheme()
	must(clientgoscheme.AddToScheme(scheme))
	addAgent(scheme)
	config := ctrl.GetConfigOrDie()
	config.QPS = -1 // no throttling of its own: the other operator has none
	ours := labels.SelectorFromSet(labels.Set{"bench.agentpg.dev/operator": "go"})
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: *metrics},
		Cache:   cache.Options{DefaultLabelSelector: ours, DefaultTransform: cache.TransformStripManagedFields()},
	})
	must(err)
	r.Client = manager.GetClient()
	must(ctrl.NewControllerManagedBy(manager).
		For(&Agent{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&networkingv1.NetworkPolicy{}).Owns(&corev1.ServiceAccount{}).Owns(&corev1.ConfigMap{}).
		Owns(&corev1.Service{}).Owns(&appsv1.Deployment{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(r))
	must(manager.Start(ctrl.SetupSignalHandler()))
}

func setCondition(conditions *[]metav1.Condition, kind, reason string, generation int64) {
	for _, it := range *conditions {
		if it.Type == kind && it.Reason == reason && it.ObservedGeneration == generation {
			return
		}
	}
	kept := (*conditions)[:0:0]
	for _, it := range *conditions {
		if it.Type != kind {
			kept = append(kept, it)
		}
	}
	*conditions = append(kept, metav1.Condition{
		Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: "pods answer", ObservedGeneration: generation, LastTransitionTime: metav1.Now(),
	})
}
