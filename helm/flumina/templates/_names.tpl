{{/* Names and labels. A part is one kind of process; of several cells most parts are there once for each. */}}

{{- define "flumina.fullname" -}}
{{- if contains "flumina" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-flumina" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* root, part, suffix: the name of a part's objects; a suffix is a cell's name or a slice. */}}
{{- define "flumina.partName" -}}
{{- $name := printf "%s-%s" (include "flumina.fullname" .root) .part -}}
{{- if .suffix -}}{{- printf "%s-%s" $name .suffix -}}{{- else -}}{{- $name -}}{{- end -}}
{{- end -}}

{{/* root, part, suffix: what selects a part's pods; may never change while a release lives. */}}
{{- define "flumina.selector" -}}
app.kubernetes.io/name: flumina
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- if .suffix }}
flumina.io/of: {{ .suffix | quote }}
{{- end }}
{{- end -}}

{{- define "flumina.labels" -}}
{{ include "flumina.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: flumina
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* root, part: the suffix of a part's objects for a cell: none where there is but one cell. */}}
{{- define "flumina.ofCell" -}}
{{- if gt (len .root.Values.cells.names) 1 -}}{{- .cell -}}{{- end -}}
{{- end -}}

{{- define "flumina.scheme" -}}
{{- if .Values.tls.secret.name -}}https{{- else -}}http{{- end -}}
{{- end -}}

{{/* root, cell: the address of a cell's API. */}}
{{- define "flumina.apiUrl" -}}
{{- $suffix := include "flumina.ofCell" . -}}
{{- $name := include "flumina.partName" (dict "root" .root "part" "api" "suffix" $suffix) -}}
{{- printf "%s://%s.%s.svc:7100" (include "flumina.scheme" .root) $name .root.Release.Namespace -}}
{{- end -}}

{{/* The one address that people and programs know: the API, or the federation of several cells. */}}
{{- define "flumina.frontUrl" -}}
{{- if gt (len .Values.cells.names) 1 -}}
{{- $name := include "flumina.partName" (dict "root" . "part" "federation" "suffix" "") -}}
{{- printf "%s://%s.%s.svc:7100" (include "flumina.scheme" .) $name .Release.Namespace -}}
{{- else -}}
{{- include "flumina.apiUrl" (dict "root" . "cell" (first .Values.cells.names)) -}}
{{- end -}}
{{- end -}}

{{- define "flumina.image" -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- end -}}
