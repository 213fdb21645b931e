{{/* A sleep: Kubernetes' own from 1.30, where it is on by default, else Python's. The image has no shell. */}}
{{- define "order-engine.api.preStop" -}}
{{- $seconds := int .Values.api.preStopSleepSeconds -}}
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version -}}
sleep:
  seconds: {{ $seconds }}
{{- else -}}
exec:
  command: [python, -c, {{ printf "import time; time.sleep(%d)" $seconds | quote }}]
{{- end -}}
{{- end -}}
