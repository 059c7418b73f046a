PubSettings.tool.main { (settings, invocation) throws(UsageError) in
  try settings.publish(invocation)
}
