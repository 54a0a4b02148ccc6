{{/* The name of a service's objects: the release and the service, as DNS wants it. Takes (root, service). */}}
{{- define "liangfa.name" -}}
{{ printf "%s-%s" (index . 0).Release.Name (index . 1 | replace "_" "-") | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "liangfa.selector" -}}
app.kubernetes.io/name: liangfa
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "liangfa.labels" -}}
{{ include "liangfa.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}
