package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Agent is as much of the custom resource as this operator needs; tools are kept as they are.
type Agent struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              AgentSpec   `json:"spec"`
	Status            AgentStatus `json:"status,omitempty"`
}

type AgentSpec struct {
	Model           string                 `json:"model"`
	SystemPrompt    string                 `json:"systemPrompt,omitempty"`
	Replicas        int32                  `json:"replicas,omitempty"`
	MaxOutputTokens int32                  `json:"maxOutputTokens,omitempty"`
	Tools           []runtime.RawExtension `json:"tools,omitempty"`
}

type AgentStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type AgentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Agent `json:"items"`
}

func (in *Agent) DeepCopy() *Agent {
	out := &Agent{TypeMeta: in.TypeMeta, ObjectMeta: *in.ObjectMeta.DeepCopy(), Spec: in.Spec, Status: in.Status}
	out.Spec.Tools = append([]runtime.RawExtension(nil), in.Spec.Tools...) // their bytes are never changed
	out.Status.Conditions = append([]metav1.Condition(nil), in.Status.Conditions...)
	return out
}

func (in *Agent) DeepCopyObject() runtime.Object { return in.DeepCopy() }

func (in *AgentList) DeepCopyObject() runtime.Object {
	out := &AgentList{TypeMeta: in.TypeMeta, ListMeta: *in.ListMeta.DeepCopy(), Items: make([]Agent, len(in.Items))}
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return out
}

func addAgent(scheme *runtime.Scheme) {
	group := schema.GroupVersion{Group: "agentpg.dev", Version: "v1alpha1"}
	scheme.AddKnownTypes(group, &Agent{}, &AgentList{})
	metav1.AddToGroupVersion(scheme, group)
}
