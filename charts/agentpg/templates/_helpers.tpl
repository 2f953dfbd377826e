{{- define "agentpg.name" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}{{ else if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* Of what has no namespace: releases of one name in two namespaces are told apart by their instances. */ -}}
{{- define "agentpg.clusterName" -}}
{{- $name := include "agentpg.name" . }}
{{- if or (not .Values.instance) (contains .Values.instance $name) }}{{ $name }}{{ else }}{{ printf "%s-%s" $name .Values.instance }}{{ end }}
{{- end }}

{{- define "agentpg.labels" -}}
app.kubernetes.io/name: agentpg-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: agentpg
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "agentpg.selector" -}}
app.kubernetes.io/name: agentpg-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "agentpg.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "agentpg.probeNamespace" -}}
{{ .Values.networkProbe.namespace | default (printf "%s-probe" (.Release.Namespace | trunc 57 | trimSuffix "-")) }}
{{- end }}

{{- /* Where the Secret of one of `databases` is mounted. */ -}}
{{- define "agentpg.credentialsDir" -}}
/etc/agentpg/operator-databases/{{ . }}
{{- end }}

{{- /* The operator's configuration file. */ -}}
{{- define "agentpg.config" -}}
{{- $database := dict "host" .Values.database.host "port" (int .Values.database.port) "name" .Values.database.name "credentialsDir" "/etc/agentpg/operator-database" "insecure" .Values.database.insecure "peers" .Values.database.peers "pooler" .Values.database.pooler "pool" .Values.database.pool "rotation" .Values.database.rotation "acceptsNew" .Values.database.acceptsNew "weight" (int .Values.database.weight) }}
{{- with .Values.database.agentHost }}{{ $_ := set $database "agentHost" . }}{{ end }}
{{- with .Values.database.agentPort }}{{ $_ := set $database "agentPort" (int .) }}{{ end }}
{{- with .Values.database.peerPort }}{{ $_ := set $database "peerPort" (int .) }}{{ end }}
{{- if not (kindIs "invalid" .Values.database.maxTenants) }}{{ $_ := set $database "maxTenants" (int .Values.database.maxTenants) }}{{ end }}
{{- $databases := list }}
{{- range .Values.databases }}
{{- $entry := dict "credentialsDir" (include "agentpg.credentialsDir" .server) }}
{{- range $key, $value := omit . "credentialsSecret" }}{{ if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}{{ $_ := set $entry $key $value }}{{ end }}{{ end }}
{{- $databases = append $databases $entry }}
{{- end }}
{{- $model := dict "peers" .Values.model.peers "port" (int .Values.model.port) }}
{{- with .Values.model.baseUrl }}{{ $_ := set $model "baseUrl" . }}{{ end }}
{{- $config := dict
  "namespace" .Release.Namespace
  "image" (include "agentpg.image" .)
  "imagePullPolicy" .Values.image.pullPolicy
  "imagePullSecrets" .Values.image.pullSecrets
  "serviceAccount" (include "agentpg.name" .)
  "tenantClusterRole" (printf "%s-tenant" (include "agentpg.clusterName" .))
  "migrationsDir" "/app/migrations"
  "database" $database
  "databases" $databases
  "model" $model
  "agentClients" .Values.agentClients
  "metricsClients" .Values.metricsClients
  "tokenAudience" .Values.tokenAudience
  "resyncSeconds" (int .Values.operator.resyncSeconds)
  "concurrency" (int .Values.operator.concurrency)
  "securityChecks" .Values.securityChecks
  "networkProbe" (dict "enabled" .Values.networkProbe.enabled "namespace" (include "agentpg.probeNamespace" .) "intervalSeconds" (int .Values.networkProbe.intervalSeconds) "required" .Values.networkProbe.required)
  "migrations" .Values.migrations }}
{{- with .Values.tracing }}{{ if .endpoint }}
{{- $tracing := dict "endpoint" .endpoint "sampleRatio" (float64 .sampleRatio) "sessionIds" .sessionIds "operator" .operator "peers" .peers }}
{{- with .peerPort }}{{ $_ := set $tracing "peerPort" (int .) }}{{ end }}
{{- $_ := set $config "tracing" $tracing }}
{{- end }}{{ end }}
{{- with .Values.tenantSelector }}{{ $_ := set $config "tenantSelector" . }}{{ end }}
{{- with .Values.instance }}{{ $_ := set $config "instance" . }}{{ end }}
{{- with .Values.dnsPeers }}{{ $_ := set $config "dnsPeers" . }}{{ end }}
{{- if .Values.console.enabled }}
{{- $console := dict "enabled" true "port" (int .Values.console.port) "sessionMinutes" (int .Values.console.sessionMinutes) "sessionSecret" (printf "%s-console-session" (include "agentpg.name" .)) }}
{{- if .Values.console.tlsSecret }}{{ $_ := set $console "tlsDir" "/etc/agentpg/console-tls" }}{{ end }}
{{- $_ := set $config "console" $console }}
{{- end }}
{{- $encryption := dict "dataKeyMaxAgeDays" (int .Values.encryption.dataKeyMaxAgeDays) }}
{{- if .Values.encryption.keySecret }}{{ $_ := set $encryption "keysDir" "/etc/agentpg/operator-keys" }}{{ end }}
{{- $_ := set $config "encryption" $encryption }}
{{- toPrettyJson $config }}
{{- end }}
