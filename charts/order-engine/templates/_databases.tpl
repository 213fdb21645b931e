{{/* Where PostgreSQL and Redis are, and which Secret knows. */}}

{{/* Not empty if the chart brings PostgreSQL, and the same for Redis. */}}
{{- define "order-engine.postgres.dev" -}}
{{- if or .Values.dev.enabled .Values.dev.postgres.enabled }}yes{{ end -}}
{{- end -}}
{{- define "order-engine.redis.dev" -}}
{{- if or .Values.dev.enabled .Values.dev.redis.enabled }}yes{{ end -}}
{{- end -}}
{{- define "order-engine.dev" -}}
{{- include "order-engine.postgres.dev" . }}{{ include "order-engine.redis.dev" . -}}
{{- end -}}

{{/* `name` and `key` of the Secret that holds a URL, as YAML. */}}
{{- define "order-engine.postgres.secret" -}}
{{- if .Values.postgres.existingSecret.name -}}
name: {{ .Values.postgres.existingSecret.name }}
key: {{ .Values.postgres.existingSecret.key }}
{{- else -}}
name: {{ include (ternary "order-engine.postgres.name" "order-engine.urls.name" (ne "" (include "order-engine.postgres.dev" .))) . }}
key: DATABASE_URL
{{- end -}}
{{- end -}}

{{- define "order-engine.redis.secret" -}}
{{- if .Values.redis.existingSecret.name -}}
name: {{ .Values.redis.existingSecret.name }}
key: {{ .Values.redis.existingSecret.key }}
{{- else -}}
name: {{ include (ternary "order-engine.redis.name" "order-engine.urls.name" (ne "" (include "order-engine.redis.dev" .))) . }}
key: REDIS_URL
{{- end -}}
{{- end -}}

{{/* The URLs given in the values, which the chart has to keep in a Secret. */}}
{{- define "order-engine.urls" -}}
{{- with .Values.postgres }}
{{- if and .url (not .existingSecret.name) }}
DATABASE_URL: {{ .url | b64enc }}
{{- end }}
{{- end }}
{{- with .Values.redis }}
{{- if and .url (not .existingSecret.name) }}
REDIS_URL: {{ .url | b64enc }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
A dev database's password: the given one, else the one that the cluster already keeps, else a new
one. (dict root name key given) To be included once a rendering.
*/}}
{{- define "order-engine.password" -}}
{{- if .given -}}
{{- .given -}}
{{- else -}}
{{- $kept := lookup "v1" "Secret" .root.Release.Namespace .name -}}
{{- $data := get (default dict $kept) "data" | default dict -}}
{{- ternary (get $data .key | b64dec) (randAlphaNum 32) (hasKey $data .key) -}}
{{- end -}}
{{- end -}}
