{{/* What a selector holds: never to change while a release lives. (dict root name) */}}
{{- define "order-engine.selector" -}}
app.kubernetes.io/name: {{ include "order-engine.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* What the labels of objects and of pods have in common; nothing overrides a selector. (dict root name own) */}}
{{- define "order-engine.labelled" -}}
{{- $base := dict "app.kubernetes.io/part-of" "order-engine" "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63) -}}
{{- $selector := include "order-engine.selector" . | fromYaml -}}
{{- mustMergeOverwrite $base .root.Values.commonLabels (.own | default dict) $selector | toYaml -}}
{{- end -}}

{{/* Labels of an object. (dict root name labels: a map) */}}
{{- define "order-engine.labels" -}}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 -}}
{{- $own := dict "app.kubernetes.io/managed-by" .root.Release.Service "helm.sh/chart" $chart -}}
{{- include "order-engine.labelled" (dict "root" .root "name" .name "own" (mustMergeOverwrite $own (.labels | default dict))) -}}
{{- end -}}

{{/* Labels of pods: without the chart's version, which would restart them for nothing. (dict root name part) */}}
{{- define "order-engine.podLabels" -}}
{{- $given := dig "podLabels" dict (.part | default dict) -}}
{{- include "order-engine.labelled" (dict "root" .root "name" .name "own" (tpl (toYaml $given) .root | fromYaml)) -}}
{{- end -}}

{{/* `namespace`, `labels` and `annotations` of an object. (dict root name, labels and annotations: maps) */}}
{{- define "order-engine.metadata" -}}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "order-engine.labels" . | nindent 2 }}
{{- with mustMergeOverwrite (dict) .root.Values.commonAnnotations (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
