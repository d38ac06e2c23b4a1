{{/* A pool with a pod for each job: (dict "pod" the arguments of solvemesh.workerPod "name" of all objects). */}}
{{- define "solvemesh.scaledJob" -}}
{{- $ := .pod.context -}}
{{- $settings := .pod.settings -}}
{{- $lanes := keys $settings.slots }}
{{- if or (ne (len $lanes) 1) (ne (int (index $settings.slots (first $lanes))) 1) }}
{{- fail (printf "workerPools.%s.slots: a pool with scaledJob has one slot, as in {standard: 1}" .pod.pool) }}
{{- end }}
{{- if $settings.autoscaling.enabled }}
{{- fail (printf "workerPools.%s: scaledJob and autoscaling exclude each other" .pod.pool) }}
{{- end }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata:
  name: {{ .name }}-worker-{{ .pod.pool }}
  labels: {{- include "solvemesh.labels" $ | nindent 4 }}
    solvemesh/pool: {{ .pod.pool }}
spec:
  jobTargetRef:
    parallelism: 1
    completions: 1
    # A job whose pod is lost is in its queue again, and gets another pod for that reason.
    backoffLimit: 0
    template: {{- include "solvemesh.workerPod" .pod | trim | nindent 6 }}
  pollingInterval: {{ $settings.scaledJob.pollingInterval }}
  maxReplicaCount: {{ $settings.scaledJob.maxPods }}
  successfulJobsHistoryLimit: {{ $settings.scaledJob.keepFinished }}
  failedJobsHistoryLimit: {{ $settings.scaledJob.keepFinished }}
  # An upgrade of the chart leaves the pods that run alone.
  rollout: {strategy: gradual}
  # A pod for each job that waits or is held, less those that run: what a worker holds is counted.
  scalingStrategy: {strategy: default}
  triggers:
    {{- include "solvemesh.queueTrigger" (dict "name" .name "lane" (first $lanes) "value" 1) | nindent 4 }}
{{ end -}}
