{{/* How many pods a part has, when nothing scales it. (dict root part) */}}
{{- define "order-engine.replicas" -}}
{{- if kindIs "invalid" .part.replicas -}}
{{- ternary 1 2 (ne "" (include "order-engine.dev" .root)) -}}
{{- else -}}
{{- .part.replicas | int -}}
{{- end -}}
{{- end -}}

{{/* The most pods that the API, or the workers, can have. */}}
{{- define "order-engine.api.most" -}}
{{- with .Values.api -}}
{{- if .hpa.enabled }}{{ .hpa.maxReplicas | int }}{{ else }}{{ include "order-engine.replicas" (dict "root" $ "part" .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- define "order-engine.worker.most" -}}
{{- if eq .Values.autoscaling.mode "none" -}}
{{- include "order-engine.replicas" (dict "root" . "part" .Values.worker) -}}
{{- else -}}
{{- .Values.autoscaling.maxReplicas | int -}}
{{- end -}}
{{- end -}}

{{/* Orders of backlog for each worker. */}}
{{- define "order-engine.targetBacklog" -}}
{{- default .Values.worker.concurrency .Values.autoscaling.targetBacklog | int -}}
{{- end -}}
