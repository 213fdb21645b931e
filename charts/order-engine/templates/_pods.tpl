{{/* What the pods of API and worker have in common. Each takes (dict root name part). */}}

{{- define "order-engine.podMetadata" -}}
labels:
  {{- include "order-engine.podLabels" . | nindent 2 }}
{{- $given := tpl (toYaml (.part.podAnnotations | default dict)) .root | fromYaml }}
annotations:
  {{- mustMergeOverwrite (include "order-engine.checksums" .root | fromYaml) .root.Values.commonAnnotations $given | toYaml | nindent 2 }}
{{- end -}}

{{/* Pods read settings and URLs as they start, so a change has to restart them. */}}
{{- define "order-engine.checksums" -}}
checksum/settings: {{ include "order-engine.settings" . | sha256sum }}
checksum/urls: {{ include "order-engine.urlsGiven" . | sha256sum }}
{{- end -}}

{{/* What the Secrets are made of. A made password isn't part of it: it is kept, and never changes. */}}
{{- define "order-engine.urlsGiven" -}}
{{- with .Values -}}
{{- list .postgres.url .postgres.existingSecret .redis.url .redis.existingSecret .dev.postgres.password .dev.redis.password | toJson -}}
{{- end -}}
{{- end -}}

{{- define "order-engine.podSpec" -}}
serviceAccountName: {{ include "order-engine.serviceAccountName" . }}
automountServiceAccountToken: false
# A Service called `api` would otherwise set API_PORT to tcp://…
enableServiceLinks: false
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ .part.terminationGracePeriodSeconds | int }}
securityContext:
  {{- toYaml .part.podSecurityContext | nindent 2 }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
{{- with .part.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ .topologyKey }}
    maxSkew: {{ .maxSkew | int }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "order-engine.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- with .part.initContainers }}
initContainers:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- with .part.extraVolumes }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Image, environment, mounts and rights of the main container. */}}
{{- define "order-engine.container" -}}
image: {{ include "order-engine.image" (dict "root" .root "image" .part.image) }}
imagePullPolicy: {{ .part.image.pullPolicy }}
securityContext:
  {{- toYaml .part.securityContext | nindent 2 }}
resources:
  {{- toYaml .part.resources | nindent 2 }}
envFrom:
  - configMapRef:
      name: {{ include "order-engine.settings.name" .root }}
  {{- with .part.extraEnvFrom }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- with .part.extraVolumeMounts }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The URLs and whatever else the values add. */}}
{{- define "order-engine.env" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      {{- include "order-engine.postgres.secret" .root | nindent 6 }}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      {{- include "order-engine.redis.secret" .root | nindent 6 }}
{{- with .part.extraEnv }}
{{ tpl (toYaml .) $.root }}
{{- end }}
{{- end -}}

{{/* A probe at `path` of the port called `port`, with the values in `probe`. */}}
{{- define "order-engine.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
{{ toYaml .probe }}
{{- end -}}

{{/* The rights of every container that has no values for them. */}}
{{- define "order-engine.restricted" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
