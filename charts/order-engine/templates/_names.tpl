{{/* Names of objects. 40 characters leave room for the longest suffix: a Job's revision and content. */}}
{{- define "order-engine.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "order-engine.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full := default $whole .Values.fullnameOverride -}}
{{- if gt (len $full) 40 -}}
{{- /* Two long names may begin alike. */ -}}
{{- $full = printf "%s-%s" ($full | trunc 31 | trimSuffix "-") ($full | sha256sum | trunc 8) -}}
{{- end -}}
{{- $full -}}
{{- end -}}

{{- define "order-engine.api.name" -}}{{ include "order-engine.fullname" . }}-api{{- end -}}
{{- define "order-engine.stream.name" -}}{{ include "order-engine.fullname" . }}-stream{{- end -}}
{{- define "order-engine.worker.name" -}}{{ include "order-engine.fullname" . }}-worker{{- end -}}
{{- define "order-engine.migration.name" -}}{{ include "order-engine.fullname" . }}-migration{{- end -}}
{{- define "order-engine.settings.name" -}}{{ include "order-engine.fullname" . }}-settings{{- end -}}
{{- define "order-engine.urls.name" -}}{{ include "order-engine.fullname" . }}-urls{{- end -}}
{{- define "order-engine.postgres.name" -}}{{ include "order-engine.fullname" . }}-postgres{{- end -}}
{{- define "order-engine.redis.name" -}}{{ include "order-engine.fullname" . }}-redis{{- end -}}
{{- define "order-engine.test.name" -}}{{ include "order-engine.fullname" . }}-test{{- end -}}

{{/* The ServiceAccount of `part` (dict root name part). */}}
{{- define "order-engine.serviceAccountName" -}}
{{- $account := .part.serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-%s" (include "order-engine.fullname" .root) .name) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}
