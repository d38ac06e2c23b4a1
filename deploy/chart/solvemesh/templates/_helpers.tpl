{{/* The name of all objects: the release, with the chart's name unless it has that already. */}}
{{- define "solvemesh.name" -}}
{{- if contains "solvemesh" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-solvemesh" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "solvemesh.selector" -}}
app.kubernetes.io/name: solvemesh
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "solvemesh.labels" -}}
{{ include "solvemesh.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "solvemesh.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "solvemesh.name" .) -}}
{{- end -}}

{{- define "solvemesh.brokerSecret" -}}
{{- .Values.broker.existingSecret | default (printf "%s-broker" (include "solvemesh.name" .)) -}}
{{- end -}}

{{/* Flags as environment variables. Helm reads large integers as floating-point numbers. */}}
{{- define "solvemesh.flags" -}}
{{- range $flag, $value := . }}
- name: SOLVEMESH_{{ $flag | upper | replace "-" "_" }}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}
  value: {{ int64 $value | quote }}
{{- else }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the connection to the broker needs in the environment: (list context key-of-the-URL). */}}
{{- define "solvemesh.brokerEnv" -}}
{{- $ := index . 0 }}
- name: SOLVEMESH_AMQP
  valueFrom:
    secretKeyRef:
      name: {{ include "solvemesh.brokerSecret" $ }}
      key: {{ index . 1 }}
{{- if $.Values.broker.caSecret }}
- {name: SOLVEMESH_AMQP_CA, value: /etc/solvemesh/broker-ca/ca.crt}
{{- end }}
{{- if $.Values.broker.clientCertificateSecret }}
- {name: SOLVEMESH_AMQP_CERT, value: /etc/solvemesh/broker-client/tls.crt}
- {name: SOLVEMESH_AMQP_KEY, value: /etc/solvemesh/broker-client/tls.key}
{{- end }}
{{- end -}}

{{/* Mounts are of whole folders, because a file that is mounted alone is never updated. */}}
{{- define "solvemesh.mounts" -}}
{{- if .Values.broker.caSecret }}
- {name: broker-ca, mountPath: /etc/solvemesh/broker-ca, readOnly: true}
{{- end }}
{{- if .Values.broker.clientCertificateSecret }}
- {name: broker-client, mountPath: /etc/solvemesh/broker-client, readOnly: true}
{{- end }}
{{- if and .Values.traces.endpoint .Values.traces.caSecret }}
- {name: collector-ca, mountPath: /etc/solvemesh/collector-ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "solvemesh.volumes" -}}
{{- with .Values.broker.caSecret }}
- name: broker-ca
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.broker.clientCertificateSecret }}
- name: broker-client
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- if and .Values.traces.endpoint .Values.traces.caSecret }}
- name: collector-ca
  secret: {secretName: {{ .Values.traces.caSecret }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/*
Where traces go, in the environment: (list context sampler). Gateways choose what is recorded; workers
record that, and also attempts that start late and so have a trace of their own.
*/}}
{{- define "solvemesh.traceEnv" -}}
{{- $sampler := index . 1 -}}
{{- with (index . 0).Values.traces }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: {{ $sampler }}}
{{- if eq $sampler "parentbased_traceidratio" }}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .sampleRatio | toString | quote }}}
{{- end }}
{{- if .caSecret }}
- {name: OTEL_EXPORTER_OTLP_CERTIFICATE, value: /etc/solvemesh/collector-ca/ca.crt}
{{- end }}
{{- with .headersSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: {secretKeyRef: {name: {{ . }}, key: headers}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "solvemesh.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
# The group of mounted secrets and volumes.
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "solvemesh.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every pod has: (dict "context" $ "settings" of the gateway or the pool). */}}
{{- define "solvemesh.pod" -}}
{{- $ := .context -}}
serviceAccountName: {{ include "solvemesh.serviceAccount" $ }}
automountServiceAccountToken: false
# Variables such as SOLVEMESH_PORT would look like flags.
enableServiceLinks: false
securityContext:
  {{- include "solvemesh.podSecurity" $ | nindent 2 }}
{{- with $.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where every pod may connect to: the broker, the collector of traces, and name servers. */}}
{{- define "solvemesh.egress" -}}
- ports:
    {{- range .Values.broker.ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .Values.networkPolicy.broker }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if .Values.traces.endpoint }}
- ports:
    {{- range .Values.traces.ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .Values.networkPolicy.collector }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* Who reads metrics, as an item of a NetworkPolicy's ingress. */}}
{{- define "solvemesh.metricsIngress" -}}
{{- if .Values.metrics.enabled }}
- ports:
    - {protocol: TCP, port: metrics}
  {{- with .Values.networkPolicy.metrics }}
  from: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
