{{/*
The endpoints of a monitor: the API's port and the workers'. Rules and dashboards tell releases and
services apart by the labels that are added first. (dict monitor)
*/}}
{{- define "order-engine.endpoints" -}}
{{- range list "http" "metrics" }}
- port: {{ . }}
  path: /metrics
  interval: {{ $.interval }}
  scrapeTimeout: {{ $.scrapeTimeout }}
  relabelings:
    - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_instance]
      targetLabel: release
    - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_component]
      targetLabel: service
    {{- with $.relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Selects API and workers of the release. */}}
{{- define "order-engine.monitored" -}}
matchLabels:
  app.kubernetes.io/name: {{ include "order-engine.name" . }}
  app.kubernetes.io/instance: {{ .Release.Name }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values: [api, worker]
{{- end -}}
