{{/* The name of everything in this release: that of the release, unless it says carillon already. */}}
{{- define "carillon.name" -}}
{{- if contains "carillon" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-carillon" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Which pods belong to this release. Never changes, since a Deployment's selector cannot. */}}
{{- define "carillon.selector" -}}
app.kubernetes.io/name: carillon
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "carillon.labels" -}}
{{ include "carillon.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "carillon.secret" -}}
{{ .Values.existingSecret | default (include "carillon.name" .) }}
{{- end }}

{{/* carillon.yaml of every node: what the chart decides, with the values of `config` added. */}}
{{- define "carillon.configuration" -}}
{{- $own := dict "client" (dict "listen" "0.0.0.0:8000") "admin" (dict "listen" "0.0.0.0:8001" "token" "${CARILLON_ADMIN_TOKEN}") }}
{{- if .Values.redis.url }}
{{- $redis := dict "url" .Values.redis.url "prefix" .Values.redis.prefix }}
{{- if .Values.redis.user }}{{- $_ := set $redis "user" .Values.redis.user }}{{- end }}
{{- $_ := set $own "backplane" (dict "kind" "redis" "redis" $redis) }}
{{- end }}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) }}
{{- end }}
