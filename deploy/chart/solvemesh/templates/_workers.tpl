{{/* The pods of a pool of workers: (dict "context" $ "pool" its name "settings" its values). */}}
{{- define "solvemesh.workerPod" -}}
{{- $ := .context -}}
{{- $pool := .pool -}}
{{- $settings := .settings -}}
{{- $slots := list }}
{{- range $lane, $count := $settings.slots }}{{- $slots = append $slots (printf "%s=%d" $lane (int $count)) }}{{- end }}
metadata:
  labels: {{- include "solvemesh.labels" $ | nindent 4 }}
    app.kubernetes.io/component: worker
    solvemesh/pool: {{ $pool }}
  {{- if or $settings.podAnnotations (not $.Values.broker.existingSecret) }}
  annotations:
    {{- if not $.Values.broker.existingSecret }}
    checksum/broker: {{ include (print $.Template.BasePath "/broker-secret.yaml") $ | sha256sum }}
    {{- end }}
    {{- with $settings.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  {{- include "solvemesh.pod" (dict "context" $ "settings" $settings) | nindent 2 }}
  {{- if $settings.scaledJob.enabled }}
  # The next pod is for another job, so a pod is not started again.
  restartPolicy: Never
  {{- end }}
  terminationGracePeriodSeconds: {{ add $settings.drainGraceSeconds 15 }}
  containers:
    - name: worker
      image: {{ printf "%s:%s" $.Values.images.worker.repository ($.Values.images.worker.tag | default $.Chart.AppVersion) }}
      imagePullPolicy: {{ $.Values.images.pullPolicy }}
      securityContext:
        {{- include "solvemesh.containerSecurity" $ | nindent 8 }}
      env:
        {{- include "solvemesh.brokerEnv" (list $ $.Values.broker.keys.worker) | trim | nindent 8 }}
        - {name: SOLVEMESH_SLOTS, value: {{ join "," $slots | quote }}}
        {{- if $settings.scaledJob.enabled }}
        - {name: SOLVEMESH_ONCE, value: "true"}
        - {name: SOLVEMESH_ONCE_WAIT, value: {{ $settings.scaledJob.waitSeconds | quote }}}
        {{- end }}
        - {name: SOLVEMESH_MEMORY_PER_JOB, value: {{ int64 $settings.memoryPerJob | quote }}}
        - {name: SOLVEMESH_DRAIN_GRACE, value: {{ $settings.drainGraceSeconds | quote }}}
        {{- if $.Values.metrics.enabled }}
        - {name: SOLVEMESH_METRICS, value: "0.0.0.0:{{ $.Values.metrics.port }}"}
        {{- end }}
        - name: SOLVEMESH_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- include "solvemesh.traceEnv" (list $ "parentbased_always_on") | trim | nindent 8 }}
        {{- include "solvemesh.flags" (mergeOverwrite (deepCopy $.Values.flags) $settings.flags) | trim | nindent 8 }}
      {{- if $.Values.metrics.enabled }}
      ports:
        - {name: metrics, containerPort: {{ $.Values.metrics.port }}}
      # Whether it answers at all: while the broker is away, it waits as it should.
      livenessProbe:
        httpGet: {path: /livez, port: metrics}
        periodSeconds: 10
        failureThreshold: 6
      # Ready while it is connected: a rollout waits for that before it stops the next old worker.
      readinessProbe:
        httpGet: {path: /readyz, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 3
      {{- end }}
      {{- with $settings.resources }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with include "solvemesh.mounts" $ | trim }}
      volumeMounts: {{- . | nindent 8 }}
      {{- end }}
  {{- with include "solvemesh.volumes" $ | trim }}
  volumes: {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Counts the jobs of a lane: (dict "name" of all objects "lane" "value" the jobs for each worker). */}}
{{- define "solvemesh.queueTrigger" -}}
- type: rabbitmq
  metadata:
    # The management API counts jobs that workers hold, too. AMQP counts only those that wait,
    # which would stop workers during their last jobs.
    protocol: http
    mode: QueueLength
    excludeUnacknowledged: "false"
    # All ranks of the lane.
    queueName: '^solvemesh\.jobs\.{{ .lane }}(\.(first|later))?\.v1$'
    useRegex: "true"
    operation: sum
    value: {{ .value | toString | quote }}
  authenticationRef: {name: {{ .name }}-management}
{{- end -}}
