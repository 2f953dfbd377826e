{{- define "agentpg.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
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

{{- /* The operator's configuration file. */ -}}
{{- define "agentpg.config" -}}
{{- $database := dict "host" .Values.database.host "port" (int .Values.database.port) "name" .Values.database.name "credentialsDir" "/etc/agentpg/operator-database" "insecure" .Values.database.insecure "peers" .Values.database.peers "pooler" .Values.database.pooler "pool" .Values.database.pool "rotation" .Values.database.rotation }}
{{- with .Values.database.agentHost }}{{ $_ := set $database "agentHost" . }}{{ end }}
{{- with .Values.database.agentPort }}{{ $_ := set $database "agentPort" (int .) }}{{ end }}
{{- with .Values.database.peerPort }}{{ $_ := set $database "peerPort" (int .) }}{{ end }}
{{- $model := dict "peers" .Values.model.peers "port" (int .Values.model.port) }}
{{- with .Values.model.baseUrl }}{{ $_ := set $model "baseUrl" . }}{{ end }}
{{- $config := dict
  "namespace" .Release.Namespace
  "image" (include "agentpg.image" .)
  "imagePullPolicy" .Values.image.pullPolicy
  "imagePullSecrets" .Values.image.pullSecrets
  "serviceAccount" (include "agentpg.name" .)
  "tenantClusterRole" (printf "%s-tenant" (include "agentpg.name" .))
  "migrationsDir" "/app/migrations"
  "database" $database
  "model" $model
  "agentClients" .Values.agentClients
  "metricsClients" .Values.metricsClients
  "tokenAudience" .Values.tokenAudience
  "resyncSeconds" (int .Values.operator.resyncSeconds)
  "concurrency" (int .Values.operator.concurrency)
  "securityChecks" .Values.securityChecks
  "migrations" .Values.migrations }}
{{- with .Values.tenantSelector }}{{ $_ := set $config "tenantSelector" . }}{{ end }}
{{- with .Values.instance }}{{ $_ := set $config "instance" . }}{{ end }}
{{- with .Values.dnsPeers }}{{ $_ := set $config "dnsPeers" . }}{{ end }}
{{- $encryption := dict "dataKeyMaxAgeDays" (int .Values.encryption.dataKeyMaxAgeDays) }}
{{- if .Values.encryption.keySecret }}{{ $_ := set $encryption "keysDir" "/etc/agentpg/operator-keys" }}{{ end }}
{{- $_ := set $config "encryption" $encryption }}
{{- toPrettyJson $config }}
{{- end }}
