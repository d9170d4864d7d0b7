# The same two clones with their numbers exchanged: nothing changed.
	.section .text.scale.constprop.1,"ax",@progbits
	.type	scale.constprop.1, @function
scale.constprop.1:
	.cfi_startproc
	imull	$3, %edi, %eax
	addl	$1, %eax
	ret
	.cfi_endproc
	.size	scale.constprop.1, .-scale.constprop.1

	.section .text.scale.constprop.0,"ax",@progbits
	.type	scale.constprop.0, @function
scale.constprop.0:
	.cfi_startproc
	imull	$7, %edi, %eax
	addl	$1, %eax
	ret
	.cfi_endproc
	.size	scale.constprop.0, .-scale.constprop.0

	.section .text.user,"ax",@progbits
	.globl	user
	.type	user, @function
user:
	.cfi_startproc
	call	scale.constprop.1
	movl	%eax, %edi
	call	scale.constprop.0
	ret
	.cfi_endproc
	.size	user, .-user
