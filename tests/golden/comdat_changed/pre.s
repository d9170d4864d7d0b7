# An inline function, of which the linker keeps one copy among all objects, and its user.
	.section .text._Z4sizei,"axG",@progbits,_Z4sizei,comdat
	.weak	_Z4sizei
	.type	_Z4sizei, @function
_Z4sizei:
	.cfi_startproc
	leal	(%rdi,%rdi,2), %eax
	ret
	nop
	nop
	.cfi_endproc
	.size	_Z4sizei, .-_Z4sizei

	.section .text.user,"ax",@progbits
	.globl	user
	.type	user, @function
user:
	.cfi_startproc
	call	_Z4sizei@PLT
	addl	$1, %eax
	ret
	.cfi_endproc
	.size	user, .-user
