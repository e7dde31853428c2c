{{- define "ballast.labels" -}}
app.kubernetes.io/name: ballast
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "ballast.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "ballast.topology" -}}
topology.{{ .Values.driverName }}/target={{ .Values.storage.nodeName }}
{{- end -}}

{{- define "ballast.plugin" -}}
{{ .Values.kubeletDirectory }}/plugins/{{ .Values.driverName }}
{{- end -}}

{{- define "ballast.confined" -}}
runAsUser: 0
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* What every sidecar ends with. */ -}}
{{- define "ballast.sidecar" -}}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "ballast.confined" . | nindent 2 }}
resources:
  {{- toYaml .Values.sidecars.resources | nindent 2 }}
{{- end -}}

{{- define "ballast.pullSecrets" -}}
{{- if .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml .Values.imagePullSecrets | nindent 2 }}
{{- end }}
{{- end -}}
