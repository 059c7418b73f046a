internal import CommandLineTool

RRSettings.tool.main { (settings, invocation) throws(UsageError) in try settings.run(invocation) }
