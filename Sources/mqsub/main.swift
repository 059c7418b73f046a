internal import CommandLineTool

SubSettings.tool.main { (settings, invocation) throws(UsageError) in try settings.run(invocation) }
