internal import CommandLineTool

ShellSettings.tool.main { (settings, invocation) throws(UsageError) in try settings.run(invocation) }
