internal import CommandLineTool

BenchSettings.tool.main { (settings, invocation) throws(UsageError) in try settings.run(invocation) }
