{{/* What the world may ask for. Probes and metrics stay inside. */}}
{{- define "order-engine.public" -}}
[/api, /docs, /openapi.json]
{{- end -}}

{{/* What both routes have in common: their gateways and hosts, and where they lead. */}}
{{- define "order-engine.route.from" -}}
{{- with .Values.gateway.httpRoute -}}
parentRefs:
  {{- toYaml .parentRefs | nindent 2 }}
{{- with .hostnames }}
hostnames:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "order-engine.route.to" -}}
{{- with .Values.gateway.httpRoute.filters -}}
filters:
  {{- toYaml . | nindent 2 }}
{{ end -}}
backendRefs:
  - name: {{ include "order-engine.api.name" . }}
    port: {{ .Values.api.service.port | int }}
{{- end -}}

{{/* The stream's route, as a policy names it. */}}
{{- define "order-engine.route.stream" -}}
- group: gateway.networking.k8s.io
  kind: HTTPRoute
  name: {{ include "order-engine.stream.name" . }}
{{- end -}}

{{/* One path of an Ingress. (dict root path pathType) */}}
{{- define "order-engine.ingress.path" -}}
- path: {{ .path }}
  pathType: {{ .pathType }}
  backend:
    service:
      name: {{ include "order-engine.api.name" .root }}
      port:
        name: http
{{- end -}}
