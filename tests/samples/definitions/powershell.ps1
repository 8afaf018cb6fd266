<#
.SYNOPSIS
Installs things.
#>
using module Tools

# Writes a line.
function Write-Line {
    param([string]$Text)
    # to the host
    Write-Host "function Fake { }" $Text
}

function Get-Item2 {
    <#
    .SYNOPSIS
    Gets an item.
    #>
    [CmdletBinding()]
    param($Name)
    Find-Item -Name $Name
}

class Store {
    [string]$Name

    # Opens it.
    [void] Open([string]$path) {
        [IO.File]::ReadAllText($path)
    }
}

enum Level {
    Low
    High
}

Describe 'store' {
    It 'opens' {
        Write-Line 'x'
    }
}

Write-Line 'done'
