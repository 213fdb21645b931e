{{/* `hook`, `job` or `none`. A database that the chart makes does not exist before the install. */}}
{{- define "order-engine.migration.mode" -}}
{{- default (ternary "job" "hook" (ne "" (include "order-engine.postgres.dev" .))) .Values.migration.mode -}}
{{- end -}}

{{/*
Annotations of what runs, or must be there, before the pods; an empty map in mode `job`. What the
Job needs comes at a lower weight and goes when it succeeded: hooks aren't part of the release.
(dict root weight keep)
*/}}
{{- define "order-engine.migration.hook" -}}
{{- if eq (include "order-engine.migration.mode" .root) "hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation{{ if not .keep }},hook-succeeded{{ end }}
{{- end -}}
{{- end -}}

{{/* The migration as a part: where and with what a worker runs, but spread over nothing. */}}
{{- define "order-engine.migration.part" -}}
{{- $worker := .Values.worker -}}
{{- $given := $worker.serviceAccount -}}
{{- $account := dict "create" $given.create "name" (ternary "" $given.name $given.create) -}}
{{- $part := omit $worker "serviceAccount" "topologySpread" "affinity" "podAnnotations" "initContainers" -}}
{{- dict "serviceAccount" $account | merge $part | toYaml -}}
{{- end -}}

{{/* The Secret's `name` and `key`: a hook cannot wait for the one that the release makes. */}}
{{- define "order-engine.migration.secret" -}}
{{- if include "order-engine.migration.ownSecret" . -}}
name: {{ include "order-engine.migration.name" . }}
key: DATABASE_URL
{{- else -}}
{{- include "order-engine.postgres.secret" . -}}
{{- end -}}
{{- end -}}
{{- define "order-engine.migration.ownSecret" -}}
{{- if and (eq (include "order-engine.migration.mode" .) "hook") (not .Values.postgres.existingSecret.name) }}yes{{ end -}}
{{- end -}}

{{- define "order-engine.migration.pod" -}}
{{- $part := dict "root" . "name" "migration" "part" (include "order-engine.migration.part" . | fromYaml) -}}
metadata:
  {{- include "order-engine.podMetadata" $part | nindent 2 }}
spec:
  {{- include "order-engine.podSpec" $part | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: migrate
      image: {{ include "order-engine.image" (dict "root" . "image" .Values.worker.image) }}
      imagePullPolicy: {{ .Values.worker.image.pullPolicy }}
      command: [python, -m, services.worker.migrate]
      securityContext:
        {{- toYaml .Values.worker.securityContext | nindent 8 }}
      resources:
        {{- toYaml .Values.migration.resources | nindent 8 }}
      {{- with .Values.worker.extraEnvFrom }}
      envFrom:
        {{- tpl (toYaml .) $ | nindent 8 }}
      {{- end }}
      env:
        - name: DATABASE_URL
          valueFrom:
            secretKeyRef:
              {{- include "order-engine.migration.secret" . | nindent 14 }}
        {{- with .Values.worker.extraEnv }}
        {{- tpl (toYaml .) $ | nindent 8 }}
        {{- end }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- with .Values.worker.extraVolumeMounts }}
        {{- tpl (toYaml .) $ | nindent 8 }}
        {{- end }}
{{- end -}}
