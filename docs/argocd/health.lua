-- Argo CD's health check of FitUsers, made of the conditions that the operator writes. README.md has the installation.
local hs = { status = "Progressing", message = "waiting for the operator" }

if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "being deleted"
  return hs
end

-- The status belongs to an older spec.
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local ready = conditions["Ready"]
if ready == nil then
  return hs
end
hs.message = ready.reason .. ": " .. ready.message

local stalled = conditions["Stalled"]
if ready.status == "True" then
  hs.status = "Healthy"
elseif ready.reason == "Suspended" or ready.reason == "ObserveMode" then
  hs.status = "Suspended"
elseif stalled ~= nil and stalled.status == "True" then
  hs.status = "Degraded"
  hs.message = stalled.reason .. ": " .. stalled.message
end
return hs
