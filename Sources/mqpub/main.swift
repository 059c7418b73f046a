internal import CommandLineTool

PubSettings.tool.main { (settings, invocation) throws(UsageError) in try settings.run(invocation) }
